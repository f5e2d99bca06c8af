"""How containers begin: started, looked at until they are healthy, or given up."""

from __future__ import annotations

import os
from dataclasses import dataclass

from buildpack.support.errors import SlugkitError, shown_seconds
from buildpack.support.values import changed
from runner import container_lines
from runner.engines.base import Streams
from runner.engines.embedded.lasting.container import LastingContainer
from runner.formation import WEB
from runner.health import Check, parse_health
from runner.policy import pause_between_looks
from runner.readiness import describe_listeners
from runner.slot import ContainerState
from runner.state.rollouts import Failure
from runner.supervision.live import OUTPUT, Live
from runner.supervision.living import Living
from runner.supervision.questions import LONGEST_BODY
from runner.supervision.reconcile import Place
from runner.supervision.records import Record


@dataclass(slots=True)
class Booting(Living):
    """Starts containers."""

    def _start(self, place: Place) -> None:
        if self.crashes.of_release(place) is not None:
            self.log.system(place.name, container_lines.state_changed("crashed", "starting"))
        reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reader, False)
        output = f"{OUTPUT}{place.name}:{os.urandom(4).hex()}"
        self.fds.store(output, reader)
        now = self.clock()
        try:
            material = self.material(place)
            spec = material.spec
            self.log.system(place.name, container_lines.starting(spec.command))
            with self.engine.spare_room():
                container = self.engine.start_lasting(
                    spec,
                    streams=Streams(stdin=None, stdout=writer, stderr=writer),
                    layers=material.layers,
                    limits=changed(material.size.limits, disk=self.settings.disk),
                    cpu_weight=material.size.cpu_weight,
                    publish=self._fixed_port(place),
                )
                record = self._written_down(place, container, output, now)
        except SlugkitError as err:
            self.fds.drop(output)
            self._note_failed_start(place, err, now)
            return
        finally:
            os.close(writer)
        live = Live(record=record, container=container)
        self.lives[record.key] = live
        self._is_changed = True
        self._watch(live, reader)
        container.begin()
        self._begin_probe(live, now)

    def _note_failed_start(self, place: Place, err: SlugkitError, began: float) -> None:
        self.log.system(place.name, f"Start failed: {err.brief}")
        self.tell({"event": "failed", "name": place.name, "text": err.text()})
        self._note_crash(place.name, place.version, began=began)
        failure = Failure(name=place.name, text=f"could not be started: {err.brief}")
        self.blame(place.version, failure, "")

    def _written_down(
        self, place: Place, container: LastingContainer, output: str, began: float
    ) -> Record:
        """Raises RunFilesError; then there is no container either."""
        record = Record(
            process_type=place.process_type,
            ordinal=place.ordinal,
            version=place.version,
            size=place.size,
            command=container.spec.command,
            port=container.spec.port,
            state=ContainerState.STARTING,
            began=began,
            since=self.wall(),
            token=container.token,
            output=output,
        )
        try:
            self.records.begin(record)
        except SlugkitError:
            container.remove()
            container.forget()
            raise
        return record

    def _fixed_port(self, place: Place) -> int | None:
        """Without a load balancer the first web container is the one that answers on the port."""
        is_first = place.process_type == WEB and place.ordinal == 1
        return self.settings.port if is_first and self.front is None else None

    def _begin_probe(self, live: Live, now: float) -> None:
        record = live.record
        checks = self._checks(live)
        if record.port is None and not checks:
            self._mark_up(live)
        else:
            live.probe = self._probe(live, record.port, checks)
            live.due = now

    def _checks(self, live: Live) -> tuple[Check, ...]:
        """What was said with --health goes before what the app says. Last: is it ready?"""
        return (*self._startup_checks(live), *self._patient_readiness(live))

    def _startup_checks(self, live: Live) -> tuple[Check, ...]:
        if live.record.port is not None and self.settings.health:
            check = parse_health(self.settings.health)
            return () if check is None else (check,)
        return self.app_checks(live.record.process_type)

    def _patient_readiness(self, live: Live) -> tuple[Check, ...]:
        """For as long as it may take to boot, however many attempts are said."""
        said = self.up_checks(live.record.process_type, live.record.version)
        checks = () if said is None else said.readiness
        return tuple(changed(each, attempts=None) for each in checks if not each.is_warning)

    def _look_at_boot(self, live: Live, now: float) -> None:
        probe = live.probe
        assert probe is not None
        waited = now - live.record.began
        before = probe.objection
        is_healthy = probe.is_healthy(now)
        cost = self.clock() - now
        if probe.objection != before and probe.objection:
            self.log.system(live.name, f"Health check: {probe.objection}")
            self.tell({"event": "unhealthy", "name": live.name, "text": probe.objection})
        if is_healthy:
            self._mark_up(live)
        elif waited >= self.settings.boot_timeout or probe.is_given_up:
            self._fail_boot(live)
        else:
            booting = sum(
                each.record.state is ContainerState.STARTING for each in self.lives.values()
            )
            live.due = now + pause_between_looks(waited, cost=cost, booting=booting)

    def _mark_up(self, live: Live) -> None:
        live.due = None
        self._end_probe(live)
        self._update(live, state=ContainerState.UP, since=self.wall())
        self.log.system(live.name, container_lines.state_changed("starting", "up"))
        seconds = round(self.clock() - live.record.began, 3)
        self.tell({"event": "up", "name": live.name, "seconds": seconds})
        self.serve()
        self._begin_asking(live)

    def _fail_boot(self, live: Live) -> None:
        assert live.probe is not None
        probe, limit = live.probe, f"within {shown_seconds(self.settings.boot_timeout)}"
        if not probe.listens:
            found = describe_listeners(probe.found_instead(), live.record.port)
            text = container_lines.boot_timeout(self.settings.boot_timeout)
            self.log.system(live.name, text)
            self.log.system(live.name, container_lines.listening(live.record.port, found))
            why = f"did not listen on its PORT {limit}; listens on {found}"
            told = f"{text}; listens on {found}"
        else:
            why = probe.objection or "did not run long enough"
            why = f"was not healthy: it {why}" if probe.is_given_up else f"{why}, {limit}"
            told = f"Error R10 (Boot timeout) -> Health check failed: {why}"
            self.log.system(live.name, told)
        live.failure = Failure(
            name=live.name,
            text=why,
            status=probe.answer.status,
            body=probe.answer.body[:LONGEST_BODY],
        )
        self.tell({"event": "failed", "name": live.name, "text": told})
        live.due = None
        live.container.kill()
