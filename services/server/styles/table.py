"""The styles by name."""

from typing import Final

from services.server.styles import (
    asyncio_style,
    epoll_style,
    forking,
    iterative,
    pool,
    prefork,
    select_style,
    threaded,
)
from services.server.styles.style import Style

STYLES: Final[dict[str, Style]] = {
    "iterative": iterative.STYLE,
    "threaded": threaded.STYLE,
    "pool": pool.STYLE,
    "forking": forking.STYLE,
    "prefork": prefork.STYLE,
    "select": select_style.STYLE,
    "epoll": epoll_style.STYLE,
    "asyncio": asyncio_style.STYLE,
}
