"""Operators of logs, in folders: each appends and publishes what it likes, under the one key that the roster names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from reperform.consensus.log.folder import FolderStorage
from reperform.consensus.log.prover import Prover
from reperform.consensus.log.publisher import Publisher
from reperform.consensus.log.sequencer import create, sequencing
from reperform.consensus.log.witnesses import Gathered, Witnesses
from reperform.evidence.tlog.checkpoint import Checkpoint
from reperform.evidence.tlog.note import Note
from reperform.tests.witness.scene import ORIGIN, Scene
from reperform.tests.world import START


@dataclass
class View:
    """One history of the log, as the tiles of a folder."""

    scene: Scene
    folder: Path
    checkpoint: Checkpoint

    @classmethod
    def of(cls, scene: Scene, name: str, text: str) -> View:
        """A new one; its entries are the letters of a text."""
        folder = scene.world.folder / name
        return cls(scene, folder, create(FolderStorage(folder), ORIGIN, scene.log.signing)).grown(text)

    @property
    def storage(self) -> FolderStorage:
        """Where it is kept."""
        return FolderStorage(self.folder)

    @property
    def note(self) -> Note:
        """The log's word for it."""
        return self.scene.sign(self.checkpoint)

    def grown(self, text: str) -> View:
        """With more entries, and published."""
        with sequencing(self.storage, ORIGIN, self.scene.log.signing) as sequencer:
            sequencer.append([json.dumps(letter).encode() for letter in text])
            Publisher(self.storage, self.scene.log.signers, lambda: START).publish(sequencer.checkpoint)
            return View(self.scene, self.folder, sequencer.checkpoint)

    def submitted(self, *addresses: str) -> Gathered:
        """Shown to these witnesses."""
        asked = Witnesses(addresses, lambda: self.scene.rosters)
        return asked.cosign(self.note, Prover(self.storage).consistency)
