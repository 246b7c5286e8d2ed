"""Counts rows with DuckDB: a request a line on standard input, an answer a line on standard output.

    duckdb_child.py DATABASE PARQUET_FOLDER ROWS THREADS

The table is loaded from the Parquet files unless the database has it already. Times are this process's own.
"""

import json
import os
import sys
import time

import duckdb

database, folder, rows, threads = sys.argv[1:]
connection = duckdb.connect(database)
connection.execute(f"SET threads = {int(threads)}")
connection.execute("SET enable_progress_bar = false")


def say(**what):
    print(json.dumps(what), flush=True)


def rows_loaded():
    try:
        return connection.execute("SELECT count(*) FROM users").fetchone()[0]
    except duckdb.CatalogException:
        return 0


seconds = None
if rows_loaded() != int(rows):
    begun = time.perf_counter()
    connection.execute(f"CREATE OR REPLACE TABLE users AS SELECT * FROM read_parquet('{folder}/*.parquet')")
    connection.execute("CHECKPOINT")
    seconds = time.perf_counter() - begun
say(version=duckdb.__version__, seconds=seconds, bytes=os.path.getsize(database))

for line in sys.stdin:
    query = f"SELECT count(*) FROM users WHERE {json.loads(line)}"
    try:
        begun = time.perf_counter_ns()
        count = connection.execute(query).fetchone()[0]
        say(count=count, nanos=time.perf_counter_ns() - begun)
    except duckdb.Error as error:
        say(error=str(error).splitlines()[0])
