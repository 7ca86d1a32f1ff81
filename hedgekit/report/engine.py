"""A papermill engine that writes the running notebook down every other second, not twice for each cell.

papermill encodes and validates the whole notebook before and after every cell; with plots in it that is a third of a report's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines

if TYPE_CHECKING:
    from nbformat import NotebookNode

NAME = "hedgekit"
EVERY_S = 2.0
"""So much at most is lost of a run that is killed."""


class _Manager(NotebookExecutionManager):  # type: ignore[misc] # papermill has no types
    def save(self, **options: Any) -> None:  # noqa: ANN401 - papermill's
        between = self.start_time is not None and self.end_time is None and self.saved
        if not between or (self.now() - self.last_save_time).total_seconds() >= EVERY_S:
            super().save(**options)
            self.saved = True

    saved = False


class SparingEngine(NBClientEngine):  # type: ignore[misc] # papermill has no types
    """papermill's own engine with fewer writes."""

    @classmethod
    def execute_notebook(  # noqa: PLR0913 - papermill's
        cls,
        nb: NotebookNode,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: bool | dict[str, Any] = True,  # noqa: FBT001, FBT002 - as above
        log_output: bool = False,  # noqa: FBT001, FBT002 - as above
        autosave_cell_every: int = 30,
        **options: Any,  # noqa: ANN401 - as above
    ) -> NotebookNode:
        """Run the notebook, as papermill's ``Engine`` does."""
        manager = _Manager(nb, output_path, log_output, progress_bar, autosave_cell_every)
        manager.notebook_start()
        try:
            cls.execute_managed_notebook(manager, kernel_name, log_output=log_output, **options)
        finally:
            manager.cleanup_pbar()
            manager.notebook_complete()
        done: NotebookNode = manager.nb
        return done


papermill_engines.register(NAME, SparingEngine)
