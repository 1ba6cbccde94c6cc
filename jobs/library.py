"""seed_grpo as a library, cell by cell. `seed-grpo warm-start jobs/quickstart.yaml` makes the model, once."""

# %% Which answers mean the same, and how uncertain is whoever gave them?
import seed_grpo

answers = [r"\frac{1}{2}", "0.5", "1/2", "2"]
print(seed_grpo.judge("0.50", r"\frac{1}{2}"))
classes_G = seed_grpo.partition(answers)
print(classes_G, seed_grpo.semantic_entropy(classes_G))
print("one of 4 is right, drawn from 8 of which 2 are:", seed_grpo.pass_at_k(n=8, right=2, k=4))

# %% Two steps of training
rewards = {}


def on_step(step, metrics):
    rewards[step] = metrics["reward"]


settings = ["run.directory=runs/library", "run.steps=2", "rollout.prompts_per_step=8", "evaluation=null"]
run = seed_grpo.train("jobs/quickstart.yaml", settings, on_step=on_step)
print("rewards", rewards)

# %% What they left on record
for group in seed_grpo.read_groups(sorted((run.directory / "rollouts").glob("*.parquet"))):
    print(group.step, group.prompt, group.semantic_entropy, group.answers_G)
print([record["loss"] for record in seed_grpo.read_records(run.directory / "metrics.jsonl")])
