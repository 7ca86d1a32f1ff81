"""Airflow: a revalidation every first of the month, by the provider's PapermillOperator (docs/howto.md says how it is run).

The operator runs hedgekit's own template notebook with its parameters; the kernel needs hedgekit, Airflow itself does not. What
the run leaves is the executed notebook and, at ``save``, the plan file; ``hedgekit report run revalidation`` makes the page too.
"""

from __future__ import annotations

import os
from pathlib import Path

import pendulum
from airflow.providers.papermill.operators.papermill import PapermillOperator
from airflow.sdk import DAG

NOTEBOOK = os.environ["HEDGEKIT_NOTEBOOK"]  # .../notebooks/08_revalidation_report.ipynb
JOURNAL = os.environ["HEDGEKIT_JOURNAL"]
SESSION = os.environ.get("HEDGEKIT_SESSION", "ko-pep")
OUT = Path(os.environ.get("HEDGEKIT_OUT", "reports/airflow")).absolute()

with DAG("hedgekit_revalidation", schedule="0 6 1 * *", start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), catchup=False):
    PapermillOperator(
        task_id="revalidate",
        input_nb=NOTEBOOK,
        output_nb=str(OUT / "revalidation-{{ ds }}.ipynb"),
        parameters={"journal": JOURNAL, "session": SESSION, "save": str(OUT / "plan.json")},
        kernel_name=os.environ.get("HEDGEKIT_KERNEL", "python3"),
        language_name="python",
    )
