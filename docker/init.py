#!/usr/bin/env python3
"""PID 1 of a host: does for its services what systemd does in production.

    init.py [--services FILE] [--run DIR] [--log DIR]      as PID 1, from node-start
    init.py [--run DIR] ctl start|stop|restart|status [NAME...]

Starts the services that FILE declares for NODE_KIND, restarts one that ends, kills and restarts one
whose watchdog messages stop, reaps every orphan, and on SIGTERM stops all in reverse order and exits.
Daemons talk to it by the sd_notify protocol (man sd_notify), each through a socket of its own,
DIR/notify/NAME. To be seen from outside: DIR/services/NAME/pid and .../restarts, DIR/started once
everything was started, and what the services print in the log folder, NAME.log.
"""

import argparse
import os
import pathlib
import resource
import selectors
import signal
import socket
import sys

from service import Service, declarations, log, now

HERE = pathlib.Path(__file__).resolve().parent


class Init:
    def __init__(self, services, run):
        self.services, self.run = services, run
        self.ending, self.kill_all_at = False, None
        self.waiting = []  # (connection of a ctl, what it waits for, the services it named)
        self.selector = selectors.DefaultSelector()
        for service in services.values():
            self.selector.register(service.notify, selectors.EVENT_READ, service.hear)
        self.control = socket.socket(socket.AF_UNIX)
        path = run / "control"
        path.unlink(missing_ok=True)
        self.control.bind(str(path))
        path.chmod(0o600)
        self.control.listen()
        self.selector.register(self.control, selectors.EVENT_READ, self.accept)
        # Signals only wake the loop; it looks for itself at what happened.
        wake, self.waker = socket.socketpair()
        for end in (wake, self.waker):
            end.setblocking(False)
        signal.set_wakeup_fd(self.waker.fileno(), warn_on_full_buffer=False)
        self.selector.register(wake, selectors.EVENT_READ, lambda: wake.recv(4096))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.end)

    def end(self, *_):
        self.ending = True

    def loop(self):
        while True:
            self.reap()
            self.act()
            for key, _ in self.selector.select(self.time_left()):
                key.data()

    def reap(self):
        """Our services and everybody's orphans. A service's leftovers are killed before it is reaped."""
        while True:
            try:
                info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if info is None:
                return
            service = next((s for s in self.services.values() if s.pid == info.si_pid), None)
            if service:
                service.end_rest()
            _, status = os.waitpid(info.si_pid, 0)
            if service:
                service.ended(os.waitstatus_to_exitcode(status))

    def act(self):
        for service in self.services.values():
            if service.deadline is not None and now() >= service.deadline:
                service.overdue()
            if self.may_start(service) and now() >= service.due:
                service.start()
        started = self.run / "started"
        if all(s.started_once for s in self.services.values()) and not started.exists():
            started.touch()
        if self.ending:
            self.stop_next()
        self.answer_waiting()

    def may_start(self, service):
        ready = (self.services[name].state == "ready" for name in service.keys.get("after", []))
        return service.state == "due" and all(ready) and not self.ending

    def stop_next(self):
        """In reverse order, one after the other; then whatever else runs; then the host is off."""
        for service in reversed(self.services.values()):
            if service.state != "down":
                service.stop()
                if service.state != "down":
                    return
        if self.kill_all_at is None:
            log("all services are down")
            self.kill_all_at = now() + 2
            self.kill_all(signal.SIGTERM)
        elif now() >= self.kill_all_at:
            self.kill_all(signal.SIGKILL)
            sys.exit(0)
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            sys.exit(0)

    def kill_all(self, number):
        try:
            os.kill(-1, number)
        except ProcessLookupError:
            pass

    def time_left(self):
        """Seconds until something is to be done by the clock; None: only a message or an end can wake us."""
        times = [s.deadline for s in self.services.values() if s.deadline is not None]
        times += [s.due for s in self.services.values() if self.may_start(s)]
        times += [self.kill_all_at] if self.kill_all_at else []
        return max(0, min(times) - now()) if times else None

    def accept(self):
        connection, _ = self.control.accept()
        connection.setblocking(False)
        self.selector.register(connection, selectors.EVENT_READ, lambda: self.command(connection))

    def command(self, connection):
        self.selector.unregister(connection)
        try:
            verb, *names = connection.recv(4096).decode(errors="replace").split() or [""]
        except OSError:
            connection.close()
            return
        unknown = [name for name in names if name not in self.services]
        if unknown or verb not in ("start", "stop", "restart", "status"):
            there = " ".join(self.services)
            self.answer(connection, f"error: cannot {verb} {' '.join(unknown)}; services here: {there}\n")
            return
        chosen = [self.services[name] for name in names] or list(self.services.values())
        for service in chosen:
            if verb == "start":
                service.want()
            elif verb in ("stop", "restart"):
                service.stop()
        self.waiting.append((connection, verb, chosen))

    def answer_waiting(self):
        waiting, self.waiting = self.waiting, []
        for connection, verb, chosen in waiting:
            if verb in ("stop", "restart") and any(s.state != "down" for s in chosen):
                self.waiting.append((connection, verb, chosen))
            elif verb == "restart":
                for service in chosen:
                    service.want()
                self.waiting.append((connection, "start", chosen))
            elif verb == "start" and any(self.may_start(s) and now() >= s.due for s in chosen):
                self.waiting.append((connection, verb, chosen))
            else:
                self.answer(connection, "".join(f"{s.line()}\n" for s in chosen))

    @staticmethod
    def answer(connection, text):
        try:
            connection.send(text.encode())
        except OSError as error:
            log(f"a ctl left before its answer: {error}")
        connection.close()


def ctl(run, words):
    """Ask the init of this host; done when the services are as wanted. Exit status 1 when it refuses."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(run / "control"))
        except OSError as error:
            sys.exit(f"no init answers at {run / 'control'}: {error}")
        connection.sendall(" ".join(words).encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    if answer.startswith("error") or not answer:
        sys.exit(answer.strip() or "init ended before it answered")
    print(answer, end="")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", default=HERE / "services.toml", type=pathlib.Path)
    parser.add_argument("--run", default="/run/node", type=pathlib.Path)
    parser.add_argument("--log", default="/var/log/node", type=pathlib.Path)
    parser.add_argument("words", nargs="*", metavar="ctl VERB [NAME]")
    options = parser.parse_args()
    if options.words[:1] == ["ctl"]:
        return ctl(options.run, options.words[1:])
    if options.words or os.getpid() != 1:
        parser.error("without ctl it must be PID 1: it ends every process that it sees")
    for folder in (options.run / "notify", options.log):
        folder.mkdir(parents=True, exist_ok=True)
    # As systemd's LimitNOFILE for etcd and PgBouncer, as far as the machine lets us.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, hard), hard))
    declared = declarations(options.services, os.environ["NODE_KIND"])
    services = {name: Service(name, keys, options.run, options.log) for name, keys in declared.items()}
    Init(services, options.run).loop()


if __name__ == "__main__":
    main()
