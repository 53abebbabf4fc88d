"""Settings: documented, and silent about secrets."""

from pathlib import Path

import pytest

from shared.settings import ALL_SETTINGS, IngestSettings, OperatorSettings
from shared.settings_document import document

ROOT = Path(__file__).parents[3]


def test_the_page_about_settings_is_up_to_date() -> None:
    assert (ROOT / "docs/settings.md").read_text() == document(), "run script/docs"


def test_every_setting_says_what_it_means() -> None:
    assert [
        name
        for settings in (*ALL_SETTINGS, OperatorSettings)
        for name, field in settings.model_fields.items()
        if not field.description
    ] == []


def test_settings_do_not_show_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIO_DATABASE_URL", "postgresql+psycopg2://ingest:hunter2@/palio")
    monkeypatch.setenv("PALIO_S3_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("PALIO_S3_ACCESS_KEY", "ingest")
    monkeypatch.setenv("PALIO_S3_SECRET_KEY", "hunter2")
    settings = IngestSettings()
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()
