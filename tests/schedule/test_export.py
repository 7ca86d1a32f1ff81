"""Unit files and crontab lines: quoting by hand, and read by the programs themselves."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.schedule import Cron, Job, crontab, due_after, units
from hedgekit.schedule.export import _cron_words, _unit_word, calendar

STORE = Path('/srv/a "b" 100%/$HOME/s.db')


def made(cron: str, zone: str = "Europe/Berlin", name: str = "morning") -> Job:
    return Job(name=name, cron=cron, zone=zone, notebook="session", out="/srv/reports")


def test_a_unit_says_what_systemd_has_to_do() -> None:
    files = units(made("30 7 * * 1-5"), STORE)
    assert sorted(files) == ["hedgekit-morning.service", "hedgekit-morning.timer"]
    timer, service = files["hedgekit-morning.timer"], files["hedgekit-morning.service"]
    assert "OnCalendar=Mon,Tue,Wed,Thu,Fri *-*-* 07:30:00 Europe/Berlin\nPersistent=true\n" in timer
    command = f'ExecStart={sys.executable} -P -m hedgekit schedule run morning --once --store "/srv/a \\"b\\" 100%%/$$HOME/s.db"\n'
    assert command in service


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 9 1 * 1", ["*-*-01 09:00:00 UTC", "Mon *-*-* 09:00:00 UTC"]),
        ("*/20 * * 1,7 *", ["*-01,07-* *:00,20,40:00 UTC"]),
        ("*/30 0 0 * * 0", ["Sun *-*-* 00:00:00,30 UTC"]),
        ("* * * * *", ["*-*-* *:*:00 UTC"]),
    ],
)
def test_calendar_expressions(cron: str, expected: list[str]) -> None:
    assert calendar(Cron.read(cron), "UTC") == expected


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_systemd_reads_the_units(tmp_path: Path) -> None:
    """The reader of systemd itself finds nothing wrong, and the same next time."""
    analyze = shutil.which("systemd-analyze")
    assert analyze is not None, "python -m tests.tools installs it"
    for cron, zone in (("30 7 * * 1-5", "America/New_York"), ("0 9 1 * 1", "UTC"), ("*/10 2-4 * jun *", "Asia/Kolkata")):
        job = made(cron, zone)
        for name, text in units(job, tmp_path / 'a "b" 100%' / "s.db").items():
            (tmp_path / name).write_text(text)
        checked = subprocess.run(
            [analyze, "verify", "--man=no", str(tmp_path / "hedgekit-morning.timer")], capture_output=True, text=True, check=False
        )
        assert "hedgekit-morning" not in checked.stderr, checked.stderr
        begin = datetime.fromisoformat("2026-06-10T12:00:00Z")
        nexts = []
        for line in re.findall(r"OnCalendar=(.*)", (tmp_path / "hedgekit-morning.timer").read_text()):
            said = subprocess.run(
                [analyze, "calendar", "--base-time=2026-06-10 12:00:00 UTC", line],
                capture_output=True,
                text=True,
                check=True,
                env={"TZ": "UTC"},
            )
            found = re.search(r"(?:Next elapse|\(in UTC\)): \w+ (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", said.stdout)
            assert found is not None, said.stdout
            nexts.append(datetime.fromisoformat(f"{found[1]}+00:00"))
        assert min(nexts) == due_after(Cron.read(cron), ZoneInfo(zone), begin)


def test_a_line_of_a_crontab_is_quoted_for_shell_and_cron() -> None:
    text = crontab([made("*/5 7 * * 1-5")], STORE, "Europe/Berlin")
    comment, line, end = text.split("\n")
    assert (comment, end) == ("# morning: */5 7 * * 1-5 Europe/Berlin", "")
    assert line.startswith("0,5,10,15,20,25,30,35,40,45,50,55 7 * * 1,2,3,4,5 ")
    assert "\\%" in line
    assert "%" not in line.replace("\\%", "")
    words = line.split(" ", 5)[5].replace("\\%", "%")  # what cron hands to the shell
    assert shlex.split(words) == [sys.executable, "-P", "-m", "hedgekit", "schedule", "run", "morning", "--once", "--store", str(STORE)]


@given(words=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=4))
def test_any_words_come_through_cron_and_shell(words: list[str]) -> None:
    said = _cron_words(words)
    assert re.sub(r"\\%", "", said).count("%") == 0
    assert shlex.split(said.replace("\\%", "%")) == words


def test_what_no_line_can_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match="has seconds"):
        crontab([made("*/5 * * * * *")], STORE, "UTC")
    for quote in (_unit_word, lambda word: _cron_words([word])):
        with pytest.raises(ConfigError, match=r"unit file|line break"):
            quote("a\nExecStartPre=/bin/evil")


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("America/New_York", "30 * * * *"), ("Asia/Kolkata", "0 * * * *"), ("Australia/Lord_Howe", "0,30 * * * *")],
)
def test_a_job_of_another_zone_is_looked_at_each_hour(zone: str, expected: str) -> None:
    assert crontab([made("30 7 * * 1-5", zone)], Path("/s.db"), "Europe/Berlin").splitlines()[1].startswith(f"{expected} ")


@given(
    minute=st.integers(0, 59), hour=st.integers(0, 23), zone=st.sampled_from(["America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
)
@settings(max_examples=25, deadline=None)
def test_each_due_time_is_met_by_a_line(minute: int, hour: int, zone: str) -> None:
    text = crontab([made(f"{minute} {hour} * * *", zone)], Path("/s.db"), "Europe/Berlin").splitlines()[1]
    minutes = set(map(int, text.split()[0].split(",")))
    at = datetime.fromisoformat("2026-11-29T00:00:00Z")
    for _ in range(200):
        due = due_after(Cron.read(f"{minute} {hour} * * *"), ZoneInfo(zone), at)
        assert due is not None
        if due.astimezone(ZoneInfo(zone)).minute == minute:  # not a time that the clocks skip
            assert due.astimezone(ZoneInfo("Europe/Berlin")).minute in minutes
        at = due + timedelta(minutes=1)
