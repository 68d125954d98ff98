"""How each block of commands and each Python block of the pages is held: a test runs it, or a reason why none does.

An entry is the beginning of a block and how it is held; an empty beginning stands for all further blocks of the page.
"""

from __future__ import annotations

from dataclasses import dataclass

from doc_pages import Block


@dataclass(frozen=True)
class RunBy:
    """A test that runs the block, or that runs what it shows."""

    name: str


@dataclass(frozen=True)
class NotRun:
    """Why no test runs the block, and what is tested in its place."""

    why: str


ON_THE_DESK = RunBy("test_the_commands_of_a_page_run")
IN_PYTHON = RunBy("test_the_python_blocks_of_a_page_run")

_INSTALLS = NotRun("installs packages; scripts/test and scripts/test_device do the same with pinned ones")
_TRAINS = NotRun("trains for minutes; tests/training runs these options on small images")
_TRAINS_CLIPS = NotRun("trains for minutes; tests/training/temporal runs these options on small clips")
_SERVICE = NotRun("needs a service that runs, and its token; tests/serving asks each path")
_UNTIL_STOPPED = NotRun(
    "runs until it is stopped; the README's `edgecnn serve` is run, and tests/serving runs the rest"
)
_CAMERAS = NotRun("needs cameras; tests/runtime/sources reads each kind of source, tests/cli each of these options")
_MACHINE = NotRun("changes the machine: needs root, systemd, Docker or a second machine")
_MEASURES = NotRun("measures for minutes to hours")
_PROVIDERS = NotRun("needs another provider than the CPU; tests/runtime/providers")
_SAME = NotRun("the README runs the same command on a folder of another name")

HELD: dict[str, tuple[tuple[str, RunBy | NotRun], ...]] = {
    "README.md": (
        ("scripts/demo", NotRun("scripts/demo takes ten minutes, scripts/test is these tests")),
        ("edgecnn", RunBy("test_the_commands_of_the_readme_run_in_order")),
        ("from edgecnn", IN_PYTHON),
        ("python3 -m venv", _INSTALLS),
    ),
    "CONTRIBUTING.md": (("", NotRun("builds a release with programs that no test environment has")),),
    "docs/adopt.md": (("", NotRun("needs a file of another tool; tests/exporters/foreign adopts such files")),),
    "docs/api.md": (
        ("import numpy", RunBy("test_the_client_of_the_api_page_runs")),
        ("", _SERVICE),
    ),
    "docs/benchmarks.md": (("", _MEASURES),),
    "docs/cameras.md": (
        ("from", IN_PYTHON),
        ("", _CAMERAS),
    ),
    "docs/clips.md": (
        ("from edgecnn", IN_PYTHON),
        ("edgecnn predict", RunBy("test_a_line_for_each_clip")),
        ("edgecnn explain", RunBy("test_the_recorded_gates_give_the_next_hidden_state")),
        ("edgecnn export", RunBy("test_the_checkpoint_becomes_two_files_whose_answers_agree")),
        ("", _TRAINS_CLIPS),
    ),
    "docs/collecting.md": (
        ("edgecnn serve", _UNTIL_STOPPED),
        ("curl", RunBy("test_twenty_frames_are_labelled_at_once_and_are_a_dataset")),
    ),
    "docs/commands.md": (
        ("", NotRun("examples of the help; test_every_command_of_a_page_exists_with_its_options parses them")),
    ),
    "docs/deploy.md": (
        ("openssl", RunBy("test_keys_that_are_made_as_the_page_says_are_taken")),
        ("pip wheel", _INSTALLS),
        ("edgecnn bundle", NotRun("--wheels downloads packages; test_a_signed_bundle_verifies runs the rest")),
        ("", _MACHINE),
    ),
    "docs/doctor-data.md": (
        ("", NotRun("needs clips; tests/data_quality and tests/runtime/doctor examine made ones")),
    ),
    "docs/doctor.md": (("", ON_THE_DESK),),
    "docs/embed.md": (
        ("from edgecnn", IN_PYTHON),
        ("$ python examples", RunBy("test_the_loop_is_fifteen_lines_and_says_what_each_image_shows")),
        ("$ edgecnn predict", _CAMERAS),
        ("$ tar", RunBy("test_cpp_with_the_wheels_own_library_says_what_python_says_to_the_bit")),
        ("$ npm install", NotRun("fetches the two packages that the block before it installs")),
        ("$ npm", RunBy("test_either_says_what_python_says")),
        ("$ python -c 'from pathlib", RunBy("test_either_carries_the_state_from_frame_to_frame")),
        ("$ python -m onnxruntime", NotRun("a script in findings/ runs it and measures the files")),
        ("$ python -c 'from edgecnn", RunBy("test_either_proves_the_model_by_its_golden_samples")),
        ("$ python3 -m venv", RunBy("test_systemd_understands_the_unit")),
    ),
    "docs/expected-accuracy.md": (
        ("", NotRun("needs a camera; the last block of first-model.md runs `doctor --frames`")),
    ),
    "docs/first-model.md": (
        ("from edgecnn", IN_PYTHON),
        ("", ON_THE_DESK),
    ),
    "docs/five-minutes.md": (
        ("python3 -m venv", _INSTALLS),
        ("from edgecnn", IN_PYTHON),
        ("python scripts", RunBy("test_the_commands_of_the_readme_run_in_order")),
        ("", ON_THE_DESK),
    ),
    "docs/how-it-learns.md": (
        ("$", _TRAINS),
        ("", RunBy("test_every_excerpt_still_stands_in_its_file")),
    ),
    "docs/install.md": (("", _INSTALLS),),
    "docs/live-page.md": (("", _UNTIL_STOPPED),),
    "docs/model-servers.md": (
        ("python examples", RunBy("test_the_folder_for_model_servers_is_what_their_schema_and_the_file_say")),
        ("", NotRun("starts servers that are not here; the tests hold their configurations")),
    ),
    "docs/mqtt.md": (("", NotRun("needs a broker; tests/serving/mqtt starts one")),),
    "docs/notebooks.md": (
        ("from edgecnn", IN_PYTHON),
        ("", _TRAINS),
    ),
    "docs/own-network.md": (("", RunBy("test_the_guides_code_runs_as_it_stands")),),
    "docs/providers.md": (("", _PROVIDERS),),
    "docs/pruning.md": (("", _TRAINS),),
    "docs/quantize.md": (
        ("$ edgecnn quantize model.onnx --data data --out", _SAME),
        ("$ edgecnn quantize model.onnx --data data --target", RunBy("test_several_targets_cost_one_calibration")),
        (
            "$ edgecnn quantize clips.onnx",
            NotRun("needs a trained model of clips; tests/exporters/temporal quantizes one"),
        ),
        ("$ pip", _INSTALLS),
    ),
    "docs/reliability.md": (
        ("", NotRun("needs atheris, and searches for minutes; tests/fuzz replays what was found")),
    ),
    "docs/scale.md": (
        ("pip install", RunBy("test_rows_are_what_predict_answers_and_any_reader_of_parquet_reads_them")),
        ("import duckdb", RunBy("test_rows_are_what_predict_answers_and_any_reader_of_parquet_reads_them")),
        ("python benchmarks", _MEASURES),
        (
            "python examples/roll_out.py",
            RunBy("test_a_good_model_reaches_all_stage_by_stage_and_a_second_run_changes_nothing"),
        ),
        ("$ torchrun", NotRun("needs two machines; tests/training/optim/test_distributed.py trains in two processes")),
    ),
    "docs/search.md": (
        ("from pathlib", RunBy("test_the_chosen_file_is_an_ordinary_model_file")),
        ("", NotRun("searches for an hour; tests/exporters/search runs a short search")),
    ),
    "docs/serve.md": (
        ("pip install", _UNTIL_STOPPED),
        ("TOKEN", _SERVICE),
        ("", _UNTIL_STOPPED),
    ),
    "docs/smoothing.md": (
        ("from pathlib", IN_PYTHON),
        ("edgecnn tune", RunBy("test_tune_writes_settings_that_can_be_read_and_reports_both_halves")),
    ),
    "docs/swaps.md": (
        ("edgecnn serve", _SERVICE),
        ("python benchmarks", _MEASURES),
    ),
    "docs/teach.md": (
        ("from edgecnn", IN_PYTHON),
        ("", ON_THE_DESK),
    ),
    "docs/training.md": (
        ("$ edgecnn train cats-dogs --resume", RunBy("test_the_command_that_began_a_run_resumes_it_with_resume_added")),
        ("$ edgecnn train", RunBy("test_the_commands_of_the_readme_run_in_order")),
        ("$ torchrun", NotRun("needs two machines; tests/training/optim/test_distributed.py trains in two processes")),
    ),
    "docs/untrusted-models.md": (("", RunBy("test_a_model_on_a_hub_is_fetched_and_answers")),),
    "docs/webhooks.md": (("", RunBy("test_the_signature_covers_body_and_time")),),
    "docs/why.md": (
        ("import cv2", IN_PYTHON),
        ("", ON_THE_DESK),
    ),
}


def how_held(page: str, block: Block) -> RunBy | NotRun | None:
    """The first entry of the page that fits the block."""
    return next((held for begins, held in HELD.get(page, ()) if block.text.startswith(begins)), None)
