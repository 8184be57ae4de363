"""What the server uses of other projects that they do not promise to keep.

INTERNALS is the whole list: names that begin with an underscore, and modules that the documentation
of their project does not offer. Beside each stands a test that fails when a release changes it. The
code is searched, so that none is used without being listed.
"""

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from tests.documents import ROOT

PACKAGE = ROOT / "luma_mcp"
# Those whose insides the server has come to know; of others it uses what is documented.
FRAMEWORKS = {"aiohttp", "fastmcp", "httpx_aiohttp", "mcp", "mcp_types", "sse_starlette", "uvicorn"}
DOCUMENTED = FRAMEWORKS | {
    "aiohttp.abc",
    "fastmcp.apps",
    "fastmcp.exceptions",
    "fastmcp.prompts",
    "fastmcp.resources",
    "fastmcp.server.auth",
    "fastmcp.server.dependencies",
    "fastmcp.server.lifespan",
    "fastmcp.server.middleware",
    "fastmcp.tools",
    "mcp.server",
    "mcp.server.auth.provider",
    "mcp.server.auth.settings",
    "mcp.shared.auth",
    "mcp.types",
    "mcp_types.version",
}
OF_NAMEDTUPLE = {"_replace", "_asdict", "_fields"}

# What is used: where it is used, and a test that notices when it changes.
INTERNALS = {
    "FastMCP._mcp_server": (
        "mcp_server.py",
        "web/test_plain_calls.py::test_both_ways_answer_the_same",
    ),
    "FastMCP's CIMDClientManager._fetcher": (
        "oauth/documents.py",
        "oauth/test_documents.py::test_a_document_lets_a_client_in_and_names_who_vouches",
    ),
    "fastmcp.server.auth.auth": (
        "oauth/endpoints.py",
        "oauth/test_documents.py::test_a_client_signs_who_it_is",
    ),
    "fastmcp.server.auth.cimd": (
        "oauth/clients.py oauth/documents.py oauth/endpoints.py",
        "oauth/test_documents.py::test_a_document_lets_a_client_in_and_names_who_vouches",
    ),
    "fastmcp.server.auth.redirect_validation": (
        "oauth/requests.py",
        "oauth/test_redirects.py::test_a_place_cannot_bring_an_answer_of_its_own",
    ),
    "fastmcp.server.http": (
        "web/app.py web/guards.py",
        "web/test_guards.py::test_a_foreign_host_is_misdirected_on_every_route_but_the_probed",
    ),
    "fastmcp.tools.function_tool": (
        "tools/definition.py",
        "tools/test_definition.py::test_a_tool_knows_its_toolset_and_whether_it_only_reads",
    ),
    "fastmcp.utilities.mime": (
        "widgets/__init__.py",
        "test_widgets.py::test_whatever_answers_a_job_has_the_player_and_the_list_has_the_gallery",
    ),
    "mcp.server._streamable_http_modern": (
        "web/streams.py",
        "e2e/test_waiting.py::test_a_wait_without_progress_is_not_silent_for_proxies",
    ),
    "mcp.server._streamable_http_modern._SSE_PING_INTERVAL": (
        "web/streams.py",
        "e2e/test_waiting.py::test_a_wait_without_progress_is_not_silent_for_proxies",
    ),
    "mcp.server.auth.handlers.metadata": (
        "oauth/endpoints.py",
        "oauth/test_endpoints.py::test_what_is_announced_is_what_there_is",
    ),
    "mcp.server.auth.handlers.register": (
        "oauth/endpoints.py",
        "oauth/test_clients.py::test_a_registration_tells_what_it_is_and_is_stored_nowhere",
    ),
    "mcp.server.auth.handlers.token": (
        "oauth/endpoints.py",
        "oauth/test_provider.py::test_a_code_is_good_only_with_all_that_belongs_to_it",
    ),
    "mcp.server.auth.middleware.auth_context": (
        "web/authentication.py",
        "e2e/test_isolation.py::test_luma_is_asked_for_each_call_with_its_callers_own_key",
    ),
    "mcp.server.auth.middleware.bearer_auth": (
        "web/authentication.py",
        "e2e/test_isolation.py::test_luma_is_asked_for_each_call_with_its_callers_own_key",
    ),
    "mcp.server.auth.middleware.client_auth": (
        "oauth/endpoints.py",
        "oauth/test_endpoints.py::test_a_client_with_a_secret_must_know_it",
    ),
    "mcp.server.auth.routes": (
        "oauth/endpoints.py oauth/server.py",
        "oauth/test_endpoints.py::test_what_is_announced_is_what_there_is",
    ),
    "mcp.server.transport_security": (
        "oauth/server.py",
        "oauth/test_clients.py::test_no_endpoint_reads_more_than_16_kilobytes",
    ),
    "mcp.shared.inbound": (
        "web/plain_calls.py",
        "web/test_plain_calls.py::test_the_framework_judges_headers_that_do_not_fit",
    ),
    "sse_starlette.sse": (
        "web/app.py",
        "web/test_app.py::test_streams_are_left_to_the_server_to_end_when_it_stops",
    ),
    "starlette.Request._form": (
        "oauth/endpoints.py",
        "oauth/test_provider.py::test_the_place_need_not_be_named_again",
    ),
    "uvicorn.Server._captured_signals": (
        "serving.py",
        "e2e/test_draining.py::test_draining_ends_by_itself",
    ),
    "uvicorn.protocols.http.httptools_impl": (
        "connections.py",
        "test_connections.py::test_a_head_that_is_too_large_is_refused_in_our_words",
    ),
    "uvicorn's HttpToolsProtocol._unset_keepalive_if_required": (
        "connections.py",
        "test_connections.py::test_a_connection_without_a_request_is_closed_without_a_word",
    ),
    "uvicorn.server": (
        "connections.py",
        "test_connections.py::test_heads_and_bodies_within_the_bounds_pass",
    ),
    "aiohttp.connector": (
        "luma/transport.py",
        "faults/test_strays.py::test_what_comes_unasked_is_not_the_next_callers_answer",
    ),
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Read the code, module by module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text())


@cache
def own_names() -> set[str]:
    """Collect the names that our own classes and modules give."""
    names: set[str] = set()
    for node in (node for _, tree in trees() for node in ast.walk(tree)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Name(ctx=ast.Store()):
                names.add(node.id)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), ctx=ast.Store()):
                names.add(node.attr)
    return names


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in OF_NAMEDTUPLE


def internals_of(tree: ast.Module, own: set[str]) -> Iterator[str]:
    """Find what is private, or not documented, of others: the last word of its name in INTERNALS.

    A module that is not documented is given whole.
    """
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if is_private(name) and name not in own:
                yield name
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in FRAMEWORKS:
                yield from [] if module in DOCUMENTED else [module]
                yield from (one.name for one in node.names if is_private(one.name))
            case ast.Import():
                modules = (one.name for one in node.names if one.name not in DOCUMENTED)
                yield from (one for one in modules if one.split(".")[0] in FRAMEWORKS)


def listed_as(name: str) -> str:
    """Name an internal as the code does: a module whole, of another the last word."""
    last = name.rpartition(".")[2]
    return last if is_private(last) else name


def test_whatever_is_used_of_the_inside_of_others_is_listed_and_nothing_else() -> None:
    own = own_names()
    found = {(name, path) for path, tree in trees() for name in internals_of(tree, own)}
    listed = {
        (listed_as(name), path) for name, (paths, _) in INTERNALS.items() for path in paths.split()
    }
    assert found == listed


@pytest.mark.parametrize("name", INTERNALS)
def test_a_test_notices_when_it_changes(name: str) -> None:
    path, _, test = INTERNALS[name][1].partition("::")
    code = ast.parse((ROOT / "tests" / path).read_text())
    assert any(getattr(node, "name", None) == test for node in code.body)


@pytest.mark.parametrize(
    "code",
    [
        "from fastmcp.server.http import create_base_app",
        "from mcp.server import _otel",
        "server._local_provider.components",
        "self._mounted_servers",
        "import uvicorn.protocols.http.h11_impl",
    ],
)
def test_the_search_would_find_more(code: str) -> None:
    assert [*internals_of(ast.parse(code), own_names())]
