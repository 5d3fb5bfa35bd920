"""iptables of the old kind, for the verdicts that nf_tables lacks here.

Its rules outlive a process: each is journalled before it is made. They are read back by iptables-legacy-save.
"""

import os
import subprocess
from pathlib import Path

from services.agent.journal import Journal
from services.agent.lacking import LACKS
from services.agent.rules.iptables import RESTORE, SAVE, MarkRule
from services.agent.undo import Restore, perform
from services.messages import ServiceError, say
from socketlab.wire.match import Family

_SYSTEM_LOCKS = Path("/run")
"""Where iptables locks its tables, unless it is told otherwise."""
_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")
"""Where programs of iptables are, also for who has a user's PATH."""
_SECONDS = 10.0


class Legacy:
    """The rules of this agent in iptables.

    Args:
        journal: where they are noted first.
        folder: the agent's run directory, for a lock where the system's cannot be had.
    """

    def __init__(self, journal: Journal, folder: Path) -> None:
        self._journal = journal
        self._folder = folder
        self._made: dict[str, MarkRule] = {}

    def apply(self, rule: MarkRule, fault: str) -> None:
        """Make a rule, in all its families, and read it back.

        Args:
            rule: the rule.
            fault: what it is for, in the words of the command line.

        Raises:
            ServiceError: iptables-legacy is missing, refuses, or does not show it.
        """
        commands = [self._program(RESTORE[family], fault) for family in rule.families]
        undo = tuple(self._step(command, rule.removed()) for command in commands)
        self._journal.intend(rule.chain, undo)
        for place, command in enumerate(commands):
            failed = perform([self._step(command, rule.added())]).failed
            if failed:
                perform(undo[:place])
                self._journal.settle(rule.chain)
                raise ServiceError(LACKS, fault=fault, why=failed[0])
        self._made[rule.chain] = rule
        if not all(rule.is_there(self._saved(family, rule, fault)) for family in rule.families):
            self.remove(rule.chain)
            raise ServiceError("agent.not-read-back", fault=fault)

    def remove(self, chain: str) -> None:
        """Take a rule away. What somebody else has taken away is gone as well."""
        rule = self._made.pop(chain, None)
        if rule is None:
            return
        perform(self._step(self._program(RESTORE[family], chain), rule.removed()) for family in rule.families)
        self._journal.settle(chain)

    def close(self) -> None:
        """Take all rules away."""
        for chain in list(self._made):
            self.remove(chain)

    def _step(self, command: str, text: str) -> Restore:
        return Restore((command, "--noflush", "--wait"), text, self._environment())

    def _saved(self, family: Family, rule: MarkRule, fault: str) -> str:
        """The table that a rule stands in, as iptables has it."""
        command = [self._program(SAVE[family], fault), "-t", rule.table]
        try:
            return subprocess.run(  # noqa: S603 - a program of iptables, with a table's name
                command, capture_output=True, text=True, check=False, timeout=_SECONDS
            ).stdout
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ServiceError("agent.restore", command=SAVE[family], why=error) from error

    def _environment(self) -> tuple[str, ...]:
        """A lock of our own where the system's is not to be had; with it, others are kept waiting as well."""
        if os.access(_SYSTEM_LOCKS, os.W_OK):
            return ()
        return (f"XTABLES_LOCKFILE={self._folder / 'xtables.lock'}",)

    @staticmethod
    def _program(name: str, fault: str) -> str:
        for folder in (*os.get_exec_path(), *_FOLDERS):
            found = Path(folder, name)
            if found.is_file() and os.access(found, os.X_OK):
                return str(found)
        raise ServiceError(LACKS, fault=fault, why=say("agent.no-iptables", command=name))
