"""What docs/security.md promises and no room's own tests show; each look at the source is also shown what it must find."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import aiohttp
import psutil
import pytest

import hedgekit
from hedgekit.launch import Child
from hedgekit.report.run import new_folder
from hedgekit.sandbox.server import TOKEN
from hedgekit.venues.alpaca import Alpaca
from tests.sandbox.desk import AUTH, inside

PACKAGE = Path(hedgekit.__file__).parent
RUNS_DATA = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
LISTENS = {"TCPSite", "start_server", "create_server", "TCPServer", "HTTPServer", "ThreadingHTTPServer"}


def dangers(source: str) -> Iterator[str]:
    """Yield what in a file runs data, or the text in it, as a program."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                {alias.name.partition(".")[0] for alias in node.names}
                if isinstance(node, ast.Import)
                else {(node.module or "").partition(".")[0]}
            )
            yield from names & RUNS_DATA
        if not isinstance(node, ast.Call):
            continue
        called, options = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
        if called in RUNS_TEXT | SHELLS or options.get("shell") == "True" or called.endswith("read_pickle"):
            yield called
        if called.startswith("yaml.") and called not in ("yaml.safe_load", "yaml.safe_dump"):
            yield called
        if called in ("np.load", "numpy.load") and options.get("allow_pickle") != "False":
            yield called
        if called == "joblib.load":
            yield called


def test_nothing_that_is_read_is_run() -> None:
    found = {str(file.relative_to(PACKAGE)): [*dangers(file.read_text())] for file in PACKAGE.rglob("*.py")}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import shelve as s",
        "eval(x)",
        "exec(x)",
        "os.system(x)",
        "subprocess.run(x, shell=True)",
        "yaml.load(x, Loader=yaml.Loader)",
        "yaml.unsafe_load(x)",
        "np.load(x)",
        "np.load(x, allow_pickle=True)",
        "pd.read_pickle(x)",
        "joblib.load(x)",
    ],
)
def test_what_runs_data_is_found(source: str) -> None:
    assert [*dangers(source)]


def test_servers_are_in_one_place() -> None:
    """Who listens does so in sandbox/server.py (and JupyterLab, in lab.py): a new server comes with a look at where."""
    calls = {
        (file.name, ast.unparse(node.func).rpartition(".")[2], ast.unparse(node))
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in LISTENS
    }
    assert calls == {("server.py", "TCPSite", "web.TCPSite(runner, HOST, port)")}


def test_a_sandbox_listens_on_this_machine_only(tmp_path: Path) -> None:
    keys = dict.fromkeys((*Alpaca.key_env, TOKEN), "x")
    with (tmp_path / "log").open("wb") as log, Child(["sandbox"], secrets=keys, log=log) as child:
        told = json.loads(child.line())
        sockets = psutil.Process(child._process.pid).net_connections("inet")
    assert told["control"].startswith("ws://127.0.0.1:")
    assert {one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


async def test_the_sandbox_reads_no_endless_request_and_no_endless_frame() -> None:
    async with inside(live=True, speed=0.2) as box, aiohttp.ClientSession() as http:
        orders = f"{box.ready['rest']}/v2/orders"
        async with http.post(orders, data=BytesIO(b"x" * (2 * 2**20)), headers=AUTH) as answer:
            assert answer.status == 413
        async with http.ws_connect(box.ready["stream"]) as socket:
            await socket.send_bytes(b"x" * (5 * 2**20))
            message = await socket.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.MESSAGE_TOO_BIG)
        async with http.get(orders, headers=AUTH) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "name", ["../x", "../../etc/x", "/etc/x", "a/../../x", "..", ".", "-rf", "x\x00y", "a\\..\\b", "~/x", "CON\n", "ä/ö"]
)
def test_a_reports_name_is_one_folder_in_its_place(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    for folder in (new_folder(out, name, "session", {}), new_folder(out, None, "session", {"session": name})):
        assert folder.resolve().parent == out.resolve()
        assert folder.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
