"""Run a broker for another process, and end it when that process ends, in whatever way.

A script of its own: `python launcher.py PARENT_PID DIRECTORY`, told by DIRECTORY/launch.json what to run. SIGTERM stops
the broker in an orderly way, SIGUSR1 kills it; when the parent is gone it is killed and DIRECTORY removed. If this
script itself is killed, the kernel kills what it started.
"""

import ctypes
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PARENT_CHECKS = 0.25  # seconds between two looks at whether the parent is still there
WATCHED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD)


def prctl(option: int, argument: int) -> None:
    """Set an attribute of this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(argument), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def spawn(argv: list[str], env: dict[str, str], log: int) -> int:
    """Start a program that dies with this process; return its process id."""
    launcher = os.getpid()
    pid = os.fork()
    if pid != 0:
        return pid
    try:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != launcher:  # it died before the line above
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.execvpe(argv[0], argv, env)
    except OSError as error:
        os.write(2, f"cannot run {argv[0]}: {error}\n".encode())
    os._exit(127)


def reap(pid: int) -> int | None:
    """Collect whatever has ended; return the status of `pid` if it was among that."""
    status = None
    try:
        while True:
            ended, wait_status = os.waitpid(-1, os.WNOHANG)
            if ended == 0:
                break
            if ended == pid:
                status = os.waitstatus_to_exitcode(wait_status)
    except ChildProcessError:
        pass
    return status


def children() -> list[int]:
    """Return the processes whose parent is this one: what we started, and what daemons among it left to us."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[1]) == os.getpid():
            found.append(int(stat.parent.name))
    return found


def kill_all() -> None:
    """Kill every descendant; the children of one that died become ours, so go on until there are none."""
    while remaining := children():
        for pid in remaining:
            os.kill(pid, signal.SIGKILL)
        for pid in remaining:
            os.waitpid(pid, 0)


def supervise(broker: int, parent: int, grace: float) -> str:
    """Wait until the broker ends or has to; return why."""
    deadline = None
    while True:
        received = signal.sigtimedwait(WATCHED, PARENT_CHECKS)
        if os.getppid() != parent:
            return "orphaned"
        status = reap(broker)
        if status is not None:
            return "stopped" if deadline is not None else f"not told to end, but did, with status {status}"
        if received is not None and received.si_signo == signal.SIGUSR1:
            return "killed"
        if received is not None and received.si_signo == signal.SIGTERM and deadline is None:
            os.kill(broker, signal.SIGTERM)
            deadline = time.monotonic() + grace
        if deadline is not None and time.monotonic() > deadline:
            return f"killed: it did not stop in {grace} s"


def main() -> None:
    """Run the commands of launch.json; the last one is the broker, those before it are its helpers."""
    parent, directory = int(sys.argv[1]), Path(sys.argv[2])
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    launch = json.loads((directory / "launch.json").read_text())
    os.chdir(directory)
    try:
        pids = [spawn(command["argv"], command["env"], sys.stderr.fileno()) for command in launch["commands"]]
        (directory / "pid").write_text(str(pids[-1]))
        reason = supervise(pids[-1], parent, launch["grace"])
    finally:
        kill_all()
    sys.stderr.write(f"launcher: the broker was {reason}\n")
    if reason == "orphaned":
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
