# Dr.GRPO on MATH with oat: the settings of understand-r1-zero's example for Qwen2.5-Math-1.5B, two templates in one file.
GPUS=8
GROUP=8

python train_zero_math.py \
    --pretrain Qwen/Qwen2.5-Math-1.5B --critic_type drgrpo --prompt_template r1 \
    --gpus $GPUS --collocate --vllm_sleep --vllm_gpu_ratio 0.35 --enable_prefix_caching \
    --bf16 --flash-attn --gradient-checkpointing --zero-stage 2 --ref_offload --rnd-seed \
    --learning_rate 0.000001 --lr_scheduler constant --num_ppo_epochs 1 --beta 0 \
    --oracle_type reward --oracle math \
    --prompt_data ./datasets/train/math_12k --train_split train --input_key problem --output_key answer \
    --max-train 9999999 --num_prompt_epoch 20 --prompt_max_length 1024 \
    --num_samples $GROUP --temperature 1 --top_p 1 --generate_max_length 3000 \
    --train_batch_size 128 --train_batch_size_per_device 1 \
    --rollout_batch_size 128 --rollout_batch_size_per_device $((128 / GPUS)) \
    --pi_buffer_maxlen_per_device $((128 * GROUP / GPUS)) --save_steps -1 \
    --eval_data ./datasets/evaluation_suite --eval_input_key input --eval_batch_size 200 --eval_steps 16 \
    --eval_temperature 0 --eval_generate_max_length 3000 \
    --use-wb --wb_project zero --wb-run-name math-1.5b-r1

python train_zero_math.py --pretrain Qwen/Qwen2.5-Math-1.5B --critic_type drgrpo --prompt_template qwen_math \
    --prompt_data ./datasets/train/math_12k --num_samples $GROUP --gpus $GPUS
