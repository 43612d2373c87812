#!/usr/bin/env python3
"""Every external symbol of a module begins with a noun that module owns: check_symbols.py MODULE ARCHIVE"""
import subprocess
import sys

NOUNS = {
    "base": ["arena_", "assert_", "buf_", "clock_", "crypto_", "csv_", "decimal_", "digest_", "err_", "exact_", "failpoint_", "fs_",
             "json_", "log_", "mem_", "pool_", "random_", "rc_", "regex_", "sha256_", "tar_", "thread_", "utf8_", "yaml_"],
    "store": ["store_"],
    "net": ["http_client_", "pip_", "wheel_"],
    "expr": ["feel_"],
    "spec": ["problem_", "schema_", "spec_", "table_"],
    "engine": ["adapter_", "adamw_", "author_", "bert_", "bpe_", "chatml_", "checkpoint_", "copies_", "cpu_", "decoder_", "dense_", "encoder_", "form_", "gemm_", "gguf_", "kernels_", "linear_",
               "llama_", "lora_", "predictor_", "safetensors_", "sampler_", "train_", "trainer_", "wordpiece_", "writer_"],
    "registry": ["artifact_", "base_", "journal_", "manifest_", "registry_"],
    "record": ["decision_", "feedback_", "principal_", "record_"],
    "orchestrate": ["run_"],
    "decide": ["decide_", "found_", "version_"],
    "factory": ["build_", "bundle_", "candidate_", "dataset_", "evaluate_", "gate_", "judge_"],
    "serve": ["admin_", "body_", "chat_", "coordinator_", "http_", "metrics_", "scribe_", "serve_", "team_service_"],
    "swarm": ["account_", "fence_", "supervisor_"],
    "cli": ["answer_view_", "ask", "build_session_", "case_file_", "catalogue_", "cli_", "cmd_", "compute_", "config_", "flow_view_", "home_", "main",
            "model_file_", "model_gguf_", "progress_", "pull_", "shut_in", "standard_input_", "team_registry_", "up_", "version_view_"],
}

module, archive = sys.argv[1:]
listing = subprocess.run(["nm", "-g", "--defined-only", archive], capture_output=True, text=True, check=True).stdout
bad = 0
for line in listing.splitlines():
    fields = line.split()
    symbol = fields[-1] if len(fields) == 3 else ""
    if symbol and not symbol.startswith(("__", "_thread", *NOUNS[module])):
        print(f"{module}: {symbol} has no noun of this module")
        bad = 1
sys.exit(bad)
