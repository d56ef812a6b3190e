"""Zipkin's own page, served from its published files where they are given.

The files are those of the Maven artifact io.zipkin:zipkin-lens; none of them is kept here.
"""

import mimetypes
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

_INDEX: Final = "index.html"
_FOLDER: Final = "zipkin-lens/"
_FILE_BYTES_MAX: Final = 16 << 20
_FILES_MAX: Final = 200
# Paths that Lens's script turns into pages of its own; index.html answers them all.
_PAGES: Final = ("", "index.html", "traces/{trace_id}", "dependency", "traceViewer")


class LensError(Exception):
    """What was given holds no Lens; the text says where."""


def read_lens(path: Path) -> dict[str, bytes]:
    """Its files by their path below /zipkin/, from the jar or an unpacked folder of it.

    Raises: LensError.
    """
    try:
        files = _from_jar(path) if path.is_file() else _from_folder(path)
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        # The last where it is locked, or packed in a way that nobody here unpacks.
        raise LensError(f"{path}: {error}") from error
    if _INDEX not in files:
        raise LensError(f"{path} holds no {_FOLDER}{_INDEX}")
    return files


def _from_jar(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as jar:
        members = [
            member
            for member in jar.infolist()
            if member.filename.startswith(_FOLDER) and not member.is_dir()
        ]
        return {
            member.filename.removeprefix(_FOLDER): jar.read(member)
            for member in members[:_FILES_MAX]
            if member.file_size <= _FILE_BYTES_MAX
        }


def _from_folder(path: Path) -> dict[str, bytes]:
    inner = path / _FOLDER
    root = inner if inner.is_dir() else path
    found = sorted(file for file in root.rglob("*") if file.is_file())[:_FILES_MAX]
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in found}


def _redirect(place: str) -> Response:
    return Response(status_code=302, headers={"location": place})


def front_routes(lens: Mapping[str, bytes] | None) -> list[Route]:
    """Where a browser arrives: /, /zipkin/ and below.

    Without Lens its places lead on to our pages, so that links to a Zipkin keep working.
    """

    async def root(_request: Request) -> Response:
        return _redirect("/zipkin/")

    async def icon(_request: Request) -> Response:
        return _redirect("/zipkin/favicon.ico")

    async def page(request: Request) -> Response:
        headers = {"cache-control": "max-age=60"}
        if lens is not None:
            return HTMLResponse(lens[_INDEX], headers=headers)
        trace_id = request.path_params.get("trace_id", "")
        place = f"/traces/{trace_id}" if trace_id.isascii() and trace_id.isalnum() else "/traces"
        if request.url.path.endswith("/dependency"):
            place = "/graph"
        html = f'<!doctype html><meta http-equiv="refresh" content="0; url={place}">'
        return HTMLResponse(f'{html}<a href="{place}">{place}</a>', headers=headers)

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        body = (lens or {}).get(name)
        if body is None:
            return Response("404 Not Found", 404, media_type="text/plain")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        # Names under static/ hold a digest of their content.
        age = 31_536_000 if name.startswith("static/") else 3_600
        return Response(body, media_type=kind, headers={"cache-control": f"max-age={age}"})

    return [
        Route("/", root),
        Route("/zipkin", root),
        Route("/favicon.ico", icon),
        *(Route(f"/zipkin/{path}", page) for path in _PAGES),
        *([] if lens is None else [Route("/zipkin/{name:path}", file)]),
    ]
