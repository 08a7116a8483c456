"""A home with three portraits and one campaign, made of the texts a test gives."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from aurora_pipeline.errors import BadInput
from aurora_pipeline.script_table import Campaign, read_campaign
from aurora_pipeline.settings import Settings

YAML = "name: Spring\nbudget_usd: 25\ndefaults: {portrait: ana}\n"
WITH_AUDIENCE = f"{YAML}audience: audience.csv\n"


@dataclass(frozen=True)
class CampaignBench:
    """``read`` reads the campaign ``spring``; ``problems`` tells what is wrong with it, as people see it."""

    root: Path

    @property
    def settings(self) -> Settings:
        return Settings(root=self.root, output=self.root / "output")

    @property
    def folder(self) -> Path:
        return self.settings.campaigns / "spring"

    def write(self, file: Path, content: str | bytes) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def read(self, scripts: str, yaml: str = YAML, *, audience: str | bytes | None = None) -> Campaign:
        self.write(self.folder / "campaign.yaml", yaml)
        self.write(self.folder / "scripts.csv", scripts)
        if audience is not None:
            self.write(self.folder / "audience.csv", audience)
        return read_campaign(self.settings, "spring")

    def problems(self, scripts: str, yaml: str = YAML, *, audience: str | bytes | None = None) -> list[str]:
        with pytest.raises(BadInput) as caught:
            self.read(scripts, yaml, audience=audience)
        return [f"{Path(problem.file).name} {problem}" for problem in caught.value.problems]


def campaign_bench(root: Path) -> CampaignBench:
    for name in ("ana", "kofi", "mei"):
        file = root / "data" / "avatars" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (256, 256), "tan").save(file)
    return CampaignBench(root)
