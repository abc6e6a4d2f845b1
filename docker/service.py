"""One service of a host: its declaration, its process, and what it says by sd_notify."""

import os
import pathlib
import pwd
import signal
import socket
import subprocess
import sys
import time
import tomllib

CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEYS = {
    "kinds": list, "command": list, "user": str, "environment": dict, "environment-file": str,
    "notify": bool, "watchdog": (int, float), "start-timeout": (int, float), "stop-timeout": (int, float),
    "restart-delay": (int, float), "restart-prevented-by": list, "after": list, "companions": list,
}


def now():
    """Seconds of the monotonic clock: a set wall clock must not kill or spare anybody."""
    return time.monotonic()


def log(text):
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} init: {text}", file=sys.stderr, flush=True)


def replace(path, text):
    """Readers see the old content or the new one, never half of it."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.rename(path)


def declarations(file, kind):
    """The services of this kind of host, by name, in order. Raises ValueError for an unknown key or type."""
    found = {}
    for name, keys in tomllib.loads(pathlib.Path(file).read_text()).items():
        for key, value in keys.items():
            if not isinstance(value, KEYS.get(key, ())):
                raise ValueError(f"{file}: [{name}] {key}: unknown key or wrong type")
        if kind in keys.get("kinds", [kind]):
            found[name] = keys
    for name, keys in found.items():
        for other in keys.get("after", []):
            if other not in found:
                raise ValueError(f"{file}: [{name}] is after '{other}', which this host does not have")
    return found


class Service:
    """One declared service and its process.

    state: down (not wanted, or not to be restarted), due (to be started at self.due), starting (runs,
    has not said READY=1), ready, stopping.
    """

    def __init__(self, name, keys, run, logs):
        self.name, self.keys, self.logs = name, keys, logs
        self.state, self.due, self.pid, self.popen = "due", now(), None, None
        self.started_once, self.restarts, self.deadline = False, 0, None
        self.folder = run / "services" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        replace(self.folder / "restarts", "0\n")
        self.address = run / "notify" / name
        self.address.unlink(missing_ok=True)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.setblocking(False)
        self.notify.bind(str(self.address))
        self.address.chmod(0o666)  # services run as users of their own

    def environment(self):
        env = {"PATH": CLEAN_PATH, "HOME": "/root", "LANG": "C.UTF-8", "NOTIFY_SOCKET": str(self.address)}
        if watchdog := self.keys.get("watchdog"):
            env["WATCHDOG_USEC"] = str(int(watchdog * 1_000_000))
        if file := self.keys.get("environment-file"):
            lines = pathlib.Path(file).read_text().splitlines()
            env |= dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        return env | self.keys.get("environment", {})

    def start(self):
        """Run it in a session, so in a process group, of its own: what is left of the group dies with it."""
        options = {}
        try:
            if user := self.keys.get("user"):
                entry = pwd.getpwnam(user)
                groups = os.getgrouplist(user, entry.pw_gid)
                options = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}
            with open(self.logs / f"{self.name}.log", "ab") as output:
                self.popen = subprocess.Popen(
                    self.keys["command"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
                    env=self.environment(), start_new_session=True, **options)
        except (OSError, KeyError, ValueError) as error:
            log(f"{self.name} cannot be started: {error}")
            self.back_off()
            return
        self.pid, self.started_once = self.popen.pid, True
        self.state = "starting" if self.keys.get("notify") else "ready"
        # Watched from the start: a daemon that hangs before READY=1 must not hang for ever.
        self.deadline = now() + self.keys.get("start-timeout", 90) if self.keys.get("watchdog") else None
        replace(self.folder / "pid", f"{self.pid}\n")
        log(f"{self.name} started, pid {self.pid}")

    def stop(self):
        if self.state in ("starting", "ready"):
            self.state, self.deadline = "stopping", now() + self.keys.get("stop-timeout", 10)
            os.kill(self.pid, signal.SIGTERM)
        elif self.state == "due":
            self.state = "down"

    def want(self):
        if self.state == "down":
            self.state, self.due = "due", now()

    def back_off(self):
        self.state, self.due = "due", now() + self.keys.get("restart-delay", 1)

    def overdue(self):
        """SIGKILL where systemd first sends SIGABRT: a stopped (SIGSTOP) process heeds nothing else."""
        why = "did not stop" if self.state == "stopping" else "gave no watchdog message"
        log(f"{self.name} {why} in time: killing pid {self.pid}")
        self.deadline = None
        os.kill(self.pid, signal.SIGKILL)

    def hear(self):
        while True:
            try:
                # Descriptors come with BARRIER=1, whose sender waits until they are closed.
                message, descriptors, _, _ = socket.recv_fds(self.notify, 4096, 16)
            except BlockingIOError:
                return
            for descriptor in descriptors:
                os.close(descriptor)
            lines = message.decode(errors="replace").splitlines()
            if "READY=1" in lines and self.state == "starting":
                self.state = "ready"
            if self.state == "ready" and {"READY=1", "WATCHDOG=1"} & set(lines) and self.keys.get("watchdog"):
                self.deadline = now() + self.keys["watchdog"]
            if "STOPPING=1" in lines and self.state == "ready":
                self.deadline = now() + self.keys.get("stop-timeout", 10)

    def end_rest(self):
        """Called while the ended main process is not reaped yet, so that its pid still names its group."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # only the zombie itself is left
        for pid in pids_of(self.keys.get("companions", [])):
            log(f"{self.name} left {pid}: killing it")
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended by itself meanwhile

    def ended(self, status):
        log(f"{self.name} ended, {f'signal {-status}' if status < 0 else f'status {status}'}")
        self.popen.returncode = status  # we reaped it; subprocess must not try to
        (self.folder / "pid").unlink(missing_ok=True)
        self.hear()  # what the dead one had sent is not news of the next
        wanted = self.state != "stopping" and status not in self.keys.get("restart-prevented-by", [])
        self.pid, self.popen, self.deadline = None, None, None
        if wanted:
            self.restarts += 1
            replace(self.folder / "restarts", f"{self.restarts}\n")
            self.back_off()
        else:
            self.state = "down"

    def line(self):
        return f"{self.name} {self.state} pid={self.pid or '-'} restarts={self.restarts}"


def pids_of(executables):
    """The processes that run one of these files."""
    for folder in pathlib.Path("/proc").glob("[0-9]*") if executables else []:
        try:
            if os.readlink(folder / "exe") in executables:
                yield int(folder.name)
        except OSError:
            pass  # ended meanwhile, or a kernel thread
