"""Job `alerts`: windows of dmp.metrics and dmp.quality, judged by the rules of alerts.yaml -> dmp.alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from pyflink.common import Types
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import ChangelogMode, EnvironmentSettings, StreamTableEnvironment, TableResult

from dmp.alerting import configured_rules
from jobs.job import Job, program
from schemas.topics import ALERTS, METRICS, QUALITY
from udfs.alerts import ALERT_TYPE, CHANGE_TYPE, JudgeFunction, SeriesFunction, alert_schema, series_name

# An event may be a day ahead of the clock, and so may its window: it must not take everybody else's time with it.
WATERMARK = "LEAST(window_start, CURRENT_ROW_TIMESTAMP())"


class StreamJob(Job):
    """A job with a DataStream in its midst, which no compiled plan can hold; one subtask of everything."""

    environment: StreamTableEnvironment

    @staticmethod
    def _create_environment(mode: EnvironmentSettings) -> StreamTableEnvironment:
        stream = StreamExecutionEnvironment.get_execution_environment()
        stream.set_parallelism(1)  # some hundred rows a second at most
        return StreamTableEnvironment.create(stream, mode)

    def plan(self) -> str:
        """What Flink makes of the statement set, for people."""
        return str(self.statements.explain())

    def submit(self, kept_plan: Optional[Path] = None) -> TableResult:
        return self.statements.execute()


def build(job: StreamJob) -> None:
    """Register the view `window_changes`, the judging of them, and the insert of the alerts."""
    # Flink makes uids of the graph then. Those of SQL count on within a JVM, and there is no plan to number anew.
    job.set("table.exec.uid.generation", "DISABLED")
    # A worker for each Python function. In a worker that two share, one whose task has ended goes on and asks for state
    # that is gone; RocksDB then takes the TaskManager, and so every job, with it.
    job.set("python.fn-execution.memory.managed", "false")
    job.set("table.exec.mini-batch.enabled", "false")  # its watermarks are of the clock
    job.set("table.exec.state.ttl", f"{job.config.windows.horizon_hours} h")  # all state of its SQL is windows
    job.table(METRICS, QUALITY, ALERTS)
    for topic in (METRICS, QUALITY):
        job.sql(f"CREATE TABLE timed_{topic.table} (WATERMARK FOR window_start AS {WATERMARK}) LIKE {topic.table}")
    job.script("alerts.sql")
    judge(job)
    job.script("alerts_results.sql")


def judge(job: StreamJob) -> None:
    """Register the view `judged`: the alerts that change as `window_changes` come in."""
    rules = configured_rules(job.config)
    changes = job.environment.to_changelog_stream(job.environment.from_path("window_changes"))
    by_series = changes.flat_map(SeriesFunction(rules), CHANGE_TYPE).uid("series").key_by(series_name, Types.STRING())
    told = by_series.process(JudgeFunction(rules), ALERT_TYPE).uid("judge")
    judged = job.environment.from_changelog_stream(told, alert_schema(), ChangelogMode.upsert())
    job.environment.create_temporary_view("judged", judged)


main = program("alerts", build, StreamJob)

if __name__ == "__main__":
    main()
