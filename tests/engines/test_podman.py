"""podman: what may differ from docker. What is left out is shown by docker or by the process engine."""

from __future__ import annotations

from typing import ClassVar

import pytest
from engines.contract.baked_layers import BakedLayers
from engines.contract.building import EngineContract
from engines.contract.damaged_images import DamagedImages
from engines.contract.killed_builds import KilledBuilds
from engines.contract.pruning import PrunedDependencies
from engines.contract.reproducible_images import ReproducibleImages
from engines.contract.setup_scripts import SetupScripts


@pytest.mark.engine("podman")
class TestPodman(
    SetupScripts, KilledBuilds, DamagedImages, ReproducibleImages, BakedLayers, PrunedDependencies, EngineContract
):  # fmt: skip
    engine = "podman"
    programs = ("podman",)

    # As docker shows it in every run, by the same calls of the program.
    nightly: ClassVar[set[str]] = {
        "test_a_binary_can_be_part_of_the_image",
        "test_a_build_that_is_killed_leaves_the_old_image_or_the_new_one",
        "test_a_name_that_was_given_to_another_image",
        "test_a_new_binary_is_baked_by_a_new_build",
        "test_a_replaced_image_stays_where_somebody_has_named_it",
        "test_a_training_is_recorded_with_the_image_that_ran",
        "test_an_edit_is_built_without_installing_anything",
        "test_clean_removes_the_images_and_keeps_the_binary",
        "test_dependencies_that_nothing_is_built_on_can_go",
        "test_neither_the_code_nor_the_binary_moves_the_other",
        "test_nothing_stays_behind",
        "test_nothing_that_setup_sh_leaves_behind_stays_in_the_image",
        "test_two_builds_of_the_same_sources_have_the_same_files",
        "test_two_clones_leave_each_other_alone",
    }
    # Inside of an image, or in its files: whoever runs it.
    test_an_edit_starts_no_installer = None
    test_a_failing_setup_sh_is_one_line = None
    test_files_that_are_damaged = None
    test_dependencies_of_another_version_get_todays_library = None
    test_binaries_that_were_not_baked_are_refused = None
    test_workers_can_be_chosen = None
    test_a_server_below_a_path = None
    # The host's, before and after an engine is asked.
    test_payload_is_merged_over_the_default_one = None
    test_a_dry_run_shows_and_does_nothing = None
    test_two_builds_of_one_model_at_once = None
    test_of_two_builds_that_need_the_same_packages_one_installs_them = None
    test_a_model_directory_is_built_by_build_sh = None
    test_many_models_in_one_image = None
    test_every_project_in_one_image = None
    test_every_member_is_baked_into_the_merged_image = None
    test_a_second_server_does_not_replace_the_first = None
    test_two_projects_at_once = None
    test_settings_of_the_server_are_handed_on = None
    test_a_server_that_serves_nothing_is_stopped = None
    test_it_is_removed_once_nobody_builds_in_it = None
    test_what_a_killed_installation_left_beside_the_cache = None
