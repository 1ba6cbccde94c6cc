# DAPO with OpenRLHF: the settings of its example for Llama 3 8B, grouped anew, as a Ray job.
set -x
PLACES=(
   --ref.num_nodes 1 --ref.num_gpus_per_node 8
   --actor.num_nodes 1 --actor.num_gpus_per_node 8
   --vllm.num_engines 4 --vllm.tensor_parallel_size 2
   --vllm.gpu_memory_utilization 0.6
   # everything shares the eight GPUs
   --train.colocate_all --vllm.enable_sleep --ds.enable_sleep
   --vllm.sync_backend nccl --vllm.enforce_eager
)
ray job submit --address="http://127.0.0.1:8265" --runtime-env-json='{"working_dir": "/code"}' \
   -- python3 -m openrlhf.cli.train_ppo_ray "${PLACES[@]}" \
   --algo.advantage.estimator group_norm --algo.advantage.gamma 1.0 \
   --algo.advantage.is_correction_enable \
   --algo.kl.init_coef 1e-3 --algo.kl.use_loss --algo.kl.estimator k3 \
   --algo.dynamic_filtering_enable --algo.dynamic_filtering_range 0 1 \
   --actor.eps_clip_low_high 0.2 0.27 \
   --actor.model_name_or_path OpenRLHF/Llama-3-8b-sft-mixture \
   --actor.adam.lr 5e-7 --actor.gradient_checkpointing_enable \
   --reward.remote_url /code/rewards/reward_func.py \
   --data.prompt_dataset OpenRLHF/prompt-collection-v0.1 \
   --data.input_key context_messages --data.apply_chat_template \
   --data.max_len 2048 --data.max_samples 20000 \
   --rollout.batch_size 128 --rollout.micro_batch_size 16 --rollout.n_samples_per_prompt 8 \
   --train.batch_size 128 --train.micro_batch_size 8 --train.max_epochs 1 \
   --ds.zero_stage 3 --ds.param_dtype bf16 --ds.packing_samples \
   --ckpt.output_dir /results/llama3-8b --ckpt.path /results/ckpt/llama3-8b \
   --ckpt.save_steps 20 --ckpt.save_hf
