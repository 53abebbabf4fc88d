"""Control groups by the documented interface, on folders that look like theirs: version 2 is not on every machine."""

from pathlib import Path

import pytest

from shared.execution.sandbox import CgroupError
from shared.execution.sandbox.cgroup_places import SERVICE_GROUP, find_places
from shared.execution.sandbox.cgroups import V1, V2, Controller, Group, Place
from shared.execution.sandbox.port import Limits

MIB = 1 << 20
LIMITS = Limits(wall_time_s=1, memory_bytes=64 * MIB, file_bytes=1, output_bytes=1, log_bytes=1, processes=20)


def process(folder: Path, membership: str, *mounts: str) -> Path:
    """A folder of `/proc` for a process in these groups, with these hierarchies mounted."""
    proc = folder / "proc"
    proc.mkdir()
    (proc / "cgroup").write_text(membership)
    (proc / "mountinfo").write_text("".join(f"30 20 0:26 {mount}\n" for mount in mounts))
    return proc


def version_2(
    folder: Path, *, controllers: str = "cpuset cpu io memory pids", handed_down: str = "", processes: str = ""
) -> Path:
    """A group of version 2."""
    folder.mkdir(parents=True)
    (folder / "cgroup.controllers").write_text(controllers)
    (folder / "cgroup.subtree_control").write_text(handed_down)
    (folder / "cgroup.procs").write_text(processes)
    return folder


def mounted(folder: Path, root: str = "/", options: str = "rw,nsdelegate", kind: str = "cgroup2") -> str:
    return f"{root} {folder} rw,nosuid shared:4 - {kind} {kind} {options}"


def test_a_group_that_hands_its_controllers_down_is_used(tmp_path: Path) -> None:
    own = version_2(tmp_path / "fs/system.slice/palio.service", handed_down="memory pids")
    places = find_places(process(tmp_path, "0::/system.slice/palio.service\n", mounted(tmp_path / "fs")))
    assert places == dict.fromkeys(Controller, Place(V2, own))


def test_controllers_are_asked_for(tmp_path: Path) -> None:
    own = version_2(tmp_path / "fs")
    find_places(process(tmp_path, "0::/\n", mounted(own)))
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids"


def test_a_service_that_stepped_aside_makes_groups_beside_itself(tmp_path: Path) -> None:
    unit = version_2(tmp_path / "fs/palio.service", handed_down="memory pids")
    version_2(unit / SERVICE_GROUP)
    places = find_places(process(tmp_path, f"0::/palio.service/{SERVICE_GROUP}\n", mounted(tmp_path / "fs")))
    assert places[Controller.MEMORY] == Place(V2, unit)


def test_without_the_controller_of_processes_the_others_are_used(tmp_path: Path) -> None:
    own = version_2(tmp_path / "fs", controllers="cpu memory", handed_down="memory")
    places = find_places(process(tmp_path, "0::/\n", mounted(own)))
    assert set(places) == {Controller.MEMORY, Controller.CPU}


def test_in_a_container_paths_are_below_what_is_mounted(tmp_path: Path) -> None:
    own = version_2(tmp_path / "fs/inner", handed_down="memory pids")
    proc = process(tmp_path, "0::/docker/abc/inner\n", mounted(tmp_path / "fs", root="/docker/abc"))
    assert find_places(proc)[Controller.MEMORY] == Place(V2, own)


@pytest.mark.parametrize("membership", ["0::/elsewhere\n", "0::/../other\n", ""])
def test_a_group_that_is_not_mounted_is_not_used(tmp_path: Path, membership: str) -> None:
    version_2(tmp_path / "fs/docker", handed_down="memory pids")
    with pytest.raises(CgroupError):
        find_places(process(tmp_path, membership, mounted(tmp_path / "fs/docker", root="/docker")))


def test_both_versions_side_by_side_give_what_each_has(tmp_path: Path) -> None:
    version_2(tmp_path / "unified", controllers="hugetlb")
    memory, cpu = tmp_path / "memory/own", tmp_path / "cpu,cpuacct\\with space"
    memory.mkdir(parents=True)
    cpu.mkdir()
    proc = process(
        tmp_path,
        "4:memory:/own\n2:cpu,cpuacct:/\n0::/\n",
        mounted(tmp_path / "unified"),
        mounted(tmp_path / "memory", kind="cgroup", options="rw,memory"),
        mounted(Path(str(cpu).replace("\\", "\\134").replace(" ", "\\040")), kind="cgroup", options="rw,cpu,cpuacct"),
        mounted(tmp_path / "pids", kind="cgroup", options="rw,pids"),
    )
    assert find_places(proc) == {Controller.MEMORY: Place(V1, memory), Controller.CPU: Place(V1, cpu)}


def test_limits_of_version_2_leave_room_for_the_kernel_and_none_for_swap(tmp_path: Path) -> None:
    files = {"memory.swap.max": "max", "memory.oom.group": "0"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    Group(dict.fromkeys(Controller, Place(V2, tmp_path))).limit(LIMITS)
    written = {name: (tmp_path / name).read_text() for name in (*files, "memory.max", "pids.max")}
    assert written == {
        "memory.max": str(82 * MIB),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "25",
    }


def test_readings_of_version_2(tmp_path: Path) -> None:
    stat = f"anon {10 * MIB}\nfile {30 * MIB}\nkernel {2 * MIB}\nshmem {5 * MIB}\nsock {3 * MIB}\n"
    (tmp_path / "memory.stat").write_text(stat)
    (tmp_path / "memory.events").write_text("low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n")
    (tmp_path / "memory.peak").write_text(f"{60 * MIB}\n")
    (tmp_path / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n")
    (tmp_path / "cgroup.procs").write_text("")
    group = Group(dict.fromkeys(Controller, Place(V2, tmp_path)))
    group.enter(17, 18)
    assert (tmp_path / "cgroup.procs").read_text() == "18"
    assert group.held_bytes() == 15 * MIB
    assert group.cpu_time_s() == 1.5
    assert group.limits_processes
    # 60 at the peak, of which 25 cached files, 2 the kernel's, and 3 in sockets.
    assert group.peak_bytes() == 30 * MIB
    assert not group.ran_out_of_memory()
    (tmp_path / "memory.events").write_text("max 7\noom_kill 0\n")
    assert group.peak_bytes() == 0
    (tmp_path / "memory.events").write_text("max 7\noom_kill 1\n")
    assert group.ran_out_of_memory()
    assert group.peak_bytes() == 30 * MIB


def test_a_peak_that_can_not_be_set_back_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "memory.stat").write_text("anon 1\nshmem 2\n")
    group = Group({Controller.MEMORY: Place(V2, tmp_path)})
    group.forget_peak()
    assert (group.peak_bytes(), group.held_bytes(), group.cpu_time_s(), group.limits_processes) == (0, 3, None, False)
