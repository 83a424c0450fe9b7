"""What ``s2i build`` of plain sources and plain requirements gives."""

from __future__ import annotations

from images import RESTRICTED, config, inside, predictions, serving


def test_user_command_labels_and_environment(plain):
    built = config(plain)

    assert built["User"] == "1001"
    assert built["Cmd"] == ["/usr/libexec/s2i/run"]
    assert built["WorkingDir"] == "/action"
    assert "5000/tcp" in built["ExposedPorts"]
    assert "ROUTES=sum/predict:shop.sum.predict:predict" in built["Env"]
    assert built["Labels"]["io.k8s.display-name"] == plain
    assert "trainyard/deps:" in built["Labels"]["io.openshift.s2i.build.image"]


def test_requirements_are_installed(plain):
    assert inside(plain, "python -c 'import colorama; print(colorama.__version__)'").strip() == "0.4.6"


def test_nothing_of_the_assembling_stays(plain):
    left = inside(
        plain, "ls -d /tmp/src /tmp/artifacts /tmp/tmp.* 2>/dev/null; ls -A /run/trainyard /var/cache/trainyard"
    )

    assert left.split() == ["/run/trainyard:", "/var/cache/trainyard:"]


def test_sources_are_as_open_to_group_0_as_to_their_owner(plain):
    listing = inside(plain, "find /action -printf '%m %G %p\\n'").splitlines()

    assert len(listing) > 5
    for mode, group, path in (line.split() for line in listing):
        assert group == "0", path
        assert mode[-3] == mode[-2], f"{path} has mode {mode}"


def test_modules_are_compiled(plain):
    assert "predict.cpython-" in inside(plain, "ls /action/shop/sum/__pycache__")


def test_answers_as_its_own_user(plain):
    with serving(plain) as port:
        assert predictions(port, "sum/predict", [[1, 2], [3, 4]]) == [3.5, 7.5]


def test_answers_as_an_arbitrary_user_without_rights(plain):
    with serving(plain, *RESTRICTED) as port:
        assert predictions(port, "sum/predict", [[1, 2], [3, 4]]) == [3.5, 7.5]
