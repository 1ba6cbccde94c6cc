"""The YAML of cluster/: valid by the schemas of KubeRay, Kubernetes and Ray, and of one mind with the program."""

import copy
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler._private.util import prepare_config, validate_config

from seed_grpo.config.loading import load_config
from seed_grpo.runtime.cluster.placement import KINDS, check_plan, make_plan

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
SCHEMAS = ROOT.parent / "shared" / "schemas"
KUBERNETES = "1.33"


def documents(*names: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects in files of cluster/kuberay, by kind and name."""
    files = [CLUSTER / "kuberay" / name for name in names]
    objects = [each for file in files for each in yaml.safe_load_all(file.read_text())]
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


AROUND = documents("cluster/surroundings.yaml")
STORAGE = documents("storage.yaml")
RAY_CLUSTER = documents("cluster/raycluster.yaml")["RayCluster", "seed-grpo"]
SPEC = RAY_CLUSTER["spec"]
RAY_JOB = documents("job/rayjob.yaml")["RayJob", "seed-grpo"]
RAY_JOB["spec"]["rayClusterSpec"] = copy.deepcopy(SPEC)  # as job/kustomization.yaml does
GROUPS = {group["groupName"]: group for group in SPEC["workerGroupSpecs"]}
TEMPLATES = {"head": SPEC["headGroupSpec"]["template"]} | {name: group["template"] for name, group in GROUPS.items()}
SUBMITTER = RAY_JOB["spec"]["submitterPodTemplate"]


def closed(schema: Any) -> Any:
    """A schema by which fields that it does not name are faults, as the Kubernetes API takes them."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """Schemas of KubeRay's custom resources, by kind."""
    if not SCHEMAS.is_dir():
        pytest.skip("no ../shared/schemas: the schemas of KubeRay are not in this repository")
    found = {}
    for path in SCHEMAS.glob("*.yaml"):
        spec = yaml.load(path.read_text(), yaml.CSafeLoader)["spec"]
        schema = next(version["schema"] for version in spec["versions"] if version["name"] == "v1")
        found[spec["names"]["kind"]] = closed(schema["openAPIV3Schema"])
    return found


@pytest.mark.parametrize("resource", [RAY_CLUSTER, RAY_JOB], ids=["RayCluster", "RayJob"])
def test_ray_resources_are_valid_by_kuberays_schemas(resource: dict[str, Any], schemas: dict[str, Any]) -> None:
    jsonschema.validate(resource, schemas[resource["kind"]])
    misspelt = copy.deepcopy(resource)
    misspelt.get("spec").get("rayClusterSpec", misspelt["spec"])["headGroupSpec"]["rayStartParam"] = {}
    with pytest.raises(jsonschema.ValidationError, match="rayStartParam"):
        jsonschema.validate(misspelt, schemas[resource["kind"]])


@pytest.mark.parametrize("key", AROUND | STORAGE, ids="-".join)
def test_what_is_around_is_valid_by_kubernetes_schemas(key: tuple[str, str]) -> None:
    kubernetes_validate.validate((AROUND | STORAGE)[key], KUBERNETES, strict=True)


def test_what_ends_a_cluster_leaves_the_storage() -> None:
    assert STORAGE.keys() == {("Namespace", "seed-grpo"), ("PersistentVolumeClaim", "seed-grpo")}
    for folder in ("cluster", "job"):
        built = yaml.safe_load((CLUSTER / "kuberay" / folder / "kustomization.yaml").read_text())
        assert not any("storage" in resource for resource in built["resources"])
        assert built["namespace"] == STORAGE["PersistentVolumeClaim", "seed-grpo"]["metadata"]["namespace"]
    assert not STORAGE.keys() & AROUND.keys()


@pytest.mark.parametrize("name", [*TEMPLATES, "submitter"])
def test_pods_are_valid_and_fit_a_restricted_namespace(name: str) -> None:
    template = (TEMPLATES | {"submitter": SUBMITTER})[name]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]}
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    autoscaler = [SPEC["autoscalerOptions"]] if name == "head" else []
    for container in [*pod["spec"]["containers"], *autoscaler]:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()


def test_kustomize_puts_the_cluster_into_the_job() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl, which brings kustomize")
    for folder, expected in (("cluster", RAY_CLUSTER), ("job", RAY_JOB)):
        command = ["kubectl", "kustomize", str(CLUSTER / "kuberay" / folder)]
        built = list(yaml.safe_load_all(subprocess.run(command, check=True, capture_output=True).stdout))
        assert [each["spec"] for each in built if each["apiVersion"] == "ray.io/v1"] == [expected["spec"]]
        assert {each["kind"] for each in built} == {kind for kind, _ in AROUND} | {expected["kind"]}


def node_types() -> dict[str, Any]:
    """The groups as Ray's autoscaler reads them."""
    resource = copy.deepcopy(RAY_CLUSTER)
    resource["metadata"]["namespace"] = "seed-grpo"
    return _derive_autoscaling_config_from_ray_cr(resource)["available_node_types"]


def test_ray_reads_the_resources_of_each_group() -> None:
    types = node_types()
    assert types.keys() == {"headgroup", *KINDS}
    head = types.pop("headgroup")["resources"]
    assert head["CPU"] == 0 and head.get("GPU", 0) == 0
    for kind, each in types.items():
        assert {name for name in each["resources"] if name in KINDS} == {kind}
        limits = TEMPLATES[kind]["spec"]["containers"][0]["resources"]["limits"]
        assert int(limits.get("nvidia.com/gpu", 0)) == each["resources"].get("GPU", 0)
        assert (each["resources"].get("GPU", 0) > 0) == (kind != "verifier")
        # a shell must read the parameter as JSON
        parameter = GROUPS[kind]["rayStartParams"]["resources"]
        assert [json.loads(word) for word in shlex.split(parameter)] == [{kind: 1}]


def test_groups_scale_within_their_bounds() -> None:
    assert SPEC["enableInTreeAutoscaling"] is True
    for group in GROUPS.values():
        assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def job_plan_and_machines(types: dict[str, Any], overrides: list[str]) -> None:
    """Checks that what the overrides ask for fits the machines that can come."""
    plan = make_plan(load_config(ROOT / "jobs/qwen2.5-math-7b.yaml", overrides))
    check_plan(plan, [each["resources"] for each in types.values() for _ in range(each["max_workers"])], "the cluster")


def test_the_jobs_entrypoint_is_a_run_that_fits_the_largest_cluster() -> None:
    program, command, file, *overrides = shlex.split(RAY_JOB["spec"]["entrypoint"])
    assert (program, command, file) == ("seed-grpo", "train", "/opt/seed-grpo/jobs/qwen2.5-math-7b.yaml")
    config = load_config(ROOT / "jobs" / Path(file).name, overrides)
    assert config.cluster.node_groups and config.cluster.autoscaled
    # a machine that goes takes its workers, and must not take the run with it
    on_one = min(config.verifier.num_workers, int(node_types()["verifier"]["resources"]["CPU"]))
    assert config.supervision.max_restarts > 2 * on_one
    mounts = {mount["mountPath"] for mount in TEMPLATES["trainer"]["spec"]["containers"][0]["volumeMounts"]}
    assert Path("/shared") in config.run.directory.parents and "/shared" in mounts
    job_plan_and_machines(node_types(), overrides)
    assert RAY_JOB["spec"]["shutdownAfterJobFinishes"] and RAY_JOB["spec"]["backoffLimit"] > 0


def test_what_ends_waits_for_the_checkpoint() -> None:
    for name in ("head", "trainer"):
        spec = TEMPLATES[name]["spec"]
        env = {each["name"]: each["value"] for each in spec["containers"][0]["env"]}
        assert spec["terminationGracePeriodSeconds"] > int(env["RAY_JOB_STOP_WAIT_TIME_S"]) > 60
        assert spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]


def labels(name: str) -> dict[str, str]:
    """Labels of a pod: those of its template, and those that KubeRay adds (`labelPod` in its pod.go)."""
    kind, group = ("head", "headgroup") if name == "head" else ("worker", name)
    return TEMPLATES[name]["metadata"]["labels"] | {"ray.io/node-type": kind, "ray.io/group": group}


def selects(selector: dict[str, Any], pod: dict[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= pod.items()


def test_each_disruption_budget_is_for_the_group_of_its_name() -> None:
    budgets = {name: each["spec"] for (kind, name), each in AROUND.items() if kind == "PodDisruptionBudget"}
    assert budgets.keys() == TEMPLATES.keys()
    for name, budget in budgets.items():
        assert [pod for pod in TEMPLATES if selects(budget["selector"], labels(pod))] == [name]
        # of pods of a custom resource Kubernetes can only count how many must stay
        assert type(budget["minAvailable"]) is int and "maxUnavailable" not in budget
    assert budgets["trainer"]["minAvailable"] == GROUPS["trainer"]["maxReplicas"]
    assert budgets["rollout"]["minAvailable"] < GROUPS["rollout"]["maxReplicas"] / 2


def test_the_network_is_shut_but_for_the_pods_among_each_other() -> None:
    deny, policy = (AROUND["NetworkPolicy", name]["spec"] for name in ("default-deny", "seed-grpo"))
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    pods = [labels(name) for name in TEMPLATES] + [SUBMITTER["metadata"]["labels"]]
    assert all(selects(policy["podSelector"], pod) for pod in pods)
    inner, *outer = policy["ingress"]
    assert "ports" not in inner and [list(peer) for peer in inner["from"]] == [["podSelector"]]
    assert all(selects(inner["from"][0]["podSelector"], pod) for pod in pods)
    # the dashboard for the operator, the metrics for Prometheus; nothing for a whole namespace or address range
    assert [[port["port"] for port in rule["ports"]] for rule in outer] == [[8265], [8080]]
    assert all(peer["podSelector"]["matchLabels"] for rule in outer for peer in rule["from"])
    wide = [peer["ipBlock"] for rule in policy["egress"] for peer in rule["to"] if "ipBlock" in peer][-1]
    assert wide == {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}
    assert "prometheus.io/port" in TEMPLATES["trainer"]["metadata"]["annotations"]


def test_the_token_is_asked_for_everywhere_and_written_nowhere() -> None:
    for spec in (SPEC, RAY_JOB["spec"]["rayClusterSpec"]):
        assert spec["authOptions"]["mode"] == "token"
    for name in ("ray-up.yaml", "slurm.sh", "single-node.sh"):
        assert "RAY_AUTH_MODE=token" in (CLUSTER / name).read_text(), name
    for path in CLUSTER.rglob("*"):
        if path.suffix in (".yaml", ".sh"):
            text = path.read_text()
            assert "kind: Secret" not in text, path
            assert not re.search(r"(TOKEN|PASSWORD|SECRET)(_ID)?\s*[=:]\s*[\"']?\w", text), path


def test_the_file_for_ray_up_is_valid_by_rays_schema_and_holds_the_job() -> None:
    config = prepare_config(yaml.safe_load((CLUSTER / "ray-up.yaml").read_text()))
    validate_config(config)
    types = config["available_node_types"]
    head = types[config["head_node_type"]]
    assert head["resources"] == {"CPU": 0}
    workers = {name: each for name, each in types.items() if each is not head}
    assert {name: each["resources"].get(name) for name, each in workers.items()} == dict.fromkeys(KINDS, 1)
    assert config["max_workers"] >= sum(each["max_workers"] for each in workers.values())
    overrides = ["trainer.num_workers=8", "rollout.num_workers=8", "verifier.num_workers=16"]
    job_plan_and_machines(workers, [*overrides, "cluster.node_groups=true"])
    # else Ray makes a security group that is open to SSH from everywhere
    assert all(each["node_config"]["SecurityGroupIds"] for each in types.values())
    assert "~/.ray/auth_token" in config["file_mounts"].values()
