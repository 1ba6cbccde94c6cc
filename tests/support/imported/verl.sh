#!/usr/bin/env bash
# GRPO on GSM8K and MATH with verl: the settings of its example for Qwen2-7B, in an order and words of our own.
set -x
sets=$HOME/data
train="['$sets/gsm8k/train.parquet', '$sets/math/train.parquet']"
held_out="['$sets/gsm8k/test.parquet', '$sets/math/test.parquet']"
PROMPTS=1024

python3 -m verl.trainer.main_ppo \
    algorithm.adv_estimator=grpo \
    algorithm.use_kl_in_reward=False \
    data.train_files="$train" data.val_files="$held_out" \
    data.train_batch_size=$PROMPTS \
    data.max_prompt_length=1024 data.max_response_length=1024 \
    data.filter_overlong_prompts=True data.truncation='error' \
    actor_rollout_ref.model.path=Qwen/Qwen2-7B-Instruct \
    actor_rollout_ref.model.use_remove_padding=True \
    actor_rollout_ref.model.enable_gradient_checkpointing=True \
    actor_rollout_ref.actor.optim.lr=1e-6 \
    actor_rollout_ref.actor.ppo_mini_batch_size=$((PROMPTS / 4)) \
    actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=16 \
    actor_rollout_ref.actor.use_kl_loss=True \
    actor_rollout_ref.actor.kl_loss_coef=0.001 \
    actor_rollout_ref.actor.kl_loss_type=low_var_kl \
    actor_rollout_ref.actor.entropy_coeff=0 \
    actor_rollout_ref.actor.fsdp_config.param_offload=False \
    actor_rollout_ref.actor.fsdp_config.optimizer_offload=False \
    actor_rollout_ref.rollout.name=vllm \
    actor_rollout_ref.rollout.n=5 \
    actor_rollout_ref.rollout.tensor_model_parallel_size=2 \
    actor_rollout_ref.rollout.gpu_memory_utilization=0.6 \
    actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=16 \
    actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=16 \
    actor_rollout_ref.ref.fsdp_config.param_offload=True \
    trainer.critic_warmup=0 \
    trainer.logger=['console','wandb'] \
    trainer.project_name='grpo_gsm8k_math' trainer.experiment_name='qwen2_7b_rules' \
    trainer.nnodes=1 trainer.n_gpus_per_node=8 \
    trainer.save_freq=20 trainer.test_freq=5 trainer.total_epochs=15 "$@"
