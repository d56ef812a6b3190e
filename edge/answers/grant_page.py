"""The page that turns a link with a grant into a cookie. Pure.

A link `https://HOST/.weir/grant#TOKEN` never sends the token to a server: what stands behind `#`
stays in the browser. The page shows whose grant it is and asks; only then it sends the token to
the gateway, which answers with a cookie that no script can read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge.verdict.context import Answer
from wire.head import first_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.verdict.context import EdgeContext
    from wire.request import RequestHead

    TokenIsGood = Callable[[bytes], int | None]  # seconds that it is still good for

PAGE_PATH: Final = b"/.weir/grant"
SCRIPT_PATH: Final = b"/.weir/grant.js"
_NO_CONTENT: Final = 204
_COMMON: Final = (
    b"\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer"
    b"\r\nX-Content-Type-Options: nosniff"
)
_PAGE_BLOCK: Final = (
    b"\r\nContent-Type: text/html; charset=utf-8" + _COMMON + b"\r\nX-Frame-Options: DENY"
    b"\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; connect-src 'self'; "
    b"style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_PAGE: Final = b"""<!doctype html><html lang=en><meta charset=utf-8><title>Grant</title>
<meta name=viewport content="width=device-width">
<style>body{font:1em/1.5 system-ui,sans-serif;max-width:40em;margin:15vh auto;padding:0 1em;
color-scheme:light dark}code{white-space:pre-wrap;overflow-wrap:anywhere}dt{font-weight:bold}
dd{margin:0 0 .5em}button{font:inherit;padding:.3em 1em}</style>
<h1>Use this grant?</h1>
<p id=say>There is no grant in this link.</p><dl id=told></dl>
<p><button id=use hidden>Use it in this browser</button>
<button id=drop>Forget my grant</button> <a id=go href="/" hidden>Go on to the site</a></p>
<p>Use it only if you asked for it: your requests here will take the way it names.</p>
<script src="/.weir/grant.js"></script>
"""
_SCRIPT: Final = b"""'use strict';
(() => {
  const by = (id) => document.getElementById(id);
  const token = location.hash.slice(1);
  history.replaceState(null, '', location.pathname);
  // A link that is opened where this page is already open only changes what stands behind #.
  addEventListener('hashchange', () => location.reload());
  const send = async (headers) => {
    const answer = await fetch(location.pathname, {method: 'POST', headers, redirect: 'error'});
    return answer.ok;
  };
  by('drop').onclick = async () => {
    const fine = await send({'weir-grant-forget': '1'});
    by('say').textContent = fine ? 'Forgotten.' : 'That failed.';
  };
  if (!token) return;
  try {
    const text = atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'));
    const said = JSON.parse(text);
    if (!said.sub || !Number.isInteger(said.exp)) throw new Error('no grant');
    const rows = {
      'for': said.sub, 'on': (said.hosts || []).join(', '), 'override': said.dtab,
      'may override': (said.prefixes || []).join(', '), 'to': (said.targets || []).join(', '),
      'requests': said.reads_only && 'only those that read (GET, HEAD, OPTIONS)',
      'recorded': said.sample && 'each of your requests, as a trace',
      'until': new Date(said.exp * 1000).toLocaleString(),
    };
    for (const [name, value] of Object.entries(rows)) {
      if (!value) continue;
      const term = document.createElement('dt'), told = document.createElement('dd');
      term.textContent = name;
      told.appendChild(document.createElement('code')).textContent = value;
      by('told').append(term, told);
    }
    by('say').textContent = 'The link says, and the gateway will check:';
    by('use').hidden = false;
  } catch (error) {
    by('say').textContent = 'This is no grant.';
  }
  by('use').onclick = async () => {
    const fine = await send({'weir-grant-set': token});
    by('use').hidden = fine;
    by('go').hidden = !fine;
    by('say').textContent = fine ? 'Your requests use it from now on.' : 'It was not accepted.';
  };
})();
"""


def own_answer(
    context: EdgeContext, request: RequestHead, name: bytes, token_is_good: TokenIsGood
) -> Answer:
    """The answer to a request below `/.weir/`."""
    path = context.target.partition(b"?")[0]
    if path not in (PAGE_PATH, SCRIPT_PATH):
        return Answer(404, "path")
    if request.method in (b"GET", b"HEAD"):
        if path == SCRIPT_PATH:
            block = b"\r\nContent-Type: text/javascript; charset=utf-8" + _COMMON
            return Answer(200, "grant", "", block, _SCRIPT)
        return Answer(200, "grant", "", _PAGE_BLOCK, _PAGE)
    if request.method != b"POST" or path == SCRIPT_PATH:
        return Answer(405, "grant", "", b"\r\nAllow: GET, HEAD, POST")
    if not _from_our_page(request):
        return Answer(403, "grant", "the request does not come from the page")
    cookie = b"\r\nSet-Cookie: " + name + b"=%b; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax"
    if context.https:
        cookie += b"; Secure"
    if first_value(request.block, b"weir-grant-forget") is not None:
        return Answer(_NO_CONTENT, "grant", "", cookie % (b"", 0) + _COMMON, b"")
    token = first_value(request.block, b"weir-grant-set") or b""
    seconds = token_is_good(token)
    if seconds is None:
        return Answer(403, "grant")
    return Answer(_NO_CONTENT, "grant", "", cookie % (token, seconds) + _COMMON, b"")


def _from_our_page(request: RequestHead) -> bool:
    """Whether a browser says that this site's own page asks.

    The header of our own already needs a preflight from elsewhere, which is never granted; Origin
    and Sec-Fetch-Site are asked for as well, so that a fault in one is none in all.
    """
    origin = first_value(request.block, b"origin")
    site = first_value(request.block, b"sec-fetch-site")
    if site is not None and site != b"same-origin":
        return False
    if origin is None:
        return site is not None
    scheme, found, host = origin.partition(b"://")
    return bool(found) and scheme in (b"http", b"https") and host == (request.host or b"").lower()
