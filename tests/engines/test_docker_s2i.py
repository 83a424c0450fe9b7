"""Images that the real s2i builds. How they run, are baked and are named is the engine's: test_docker.py."""

from __future__ import annotations

from typing import ClassVar

import pytest
from engines.contract.baked_layers import ImageLabels
from engines.contract.building import BuildingContract
from engines.contract.reproducible_images import ReproducibleImages
from engines.contract.setup_scripts import SetupScripts


@pytest.mark.s2i
class TestDockerWithS2i(SetupScripts, ReproducibleImages, ImageLabels, BuildingContract):
    engine = "docker"
    programs = ("docker", "s2i")
    variables: ClassVar[dict[str, str]] = {"BUILDER": "s2i"}

    # As docker shows it with the builder of its own in every run.
    nightly: ClassVar[set[str]] = {
        "test_a_build_that_is_killed_leaves_the_old_image_or_the_new_one",
        "test_an_edit_starts_no_installer",
        "test_many_models_in_one_image",
        "test_two_builds_of_the_same_sources_have_the_same_files",
    }
    # Of the binary's layer one test is enough here: that s2i's image takes it.
    test_a_new_binary_is_baked_by_a_new_build = None
    test_binaries_that_were_not_baked_are_refused = None
    test_every_member_is_baked_into_the_merged_image = None
    # Of the image of the dependencies, which we build, whoever builds the rest.
    test_dependencies_of_another_version_get_todays_library = None
    test_of_two_builds_that_need_the_same_packages_one_installs_them = None
    # The host's, before and after s2i is started.
    test_payload_is_merged_over_the_default_one = None
    test_a_dry_run_shows_and_does_nothing = None
    test_a_training_is_recorded_with_the_image_that_ran = None
    test_two_builds_of_one_model_at_once = None
    test_clean_removes_the_images_and_keeps_the_binary = None
    test_every_project_in_one_image = None
