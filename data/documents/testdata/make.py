"""Makes the tables here, with pyarrow 26.0.1."""
import pyarrow as pa
import pyarrow.parquet as pq

t = pa.table({
    "id": [1, 2, 3, 4], "text": ["one", "two\nlines", None, "four ☃"], "n": [1.0, 2, 3, 4],
    "meta": [{"a": 1}, {"a": 2}, None, {"a": 4}],
})
for c in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
    pq.write_table(t, f"{c}.parquet", compression=c, row_group_size=2)
pq.write_table(pa.table({"text": pa.array(["x"] * 1000 + ["y" * 100] * 10).dictionary_encode()}), "dict.parquet")
pq.write_table(pa.table({"text": pa.array(["x", "y"], type=pa.large_string())}), "large.parquet")
pq.write_table(pa.table({"text": pa.array([["a", "b"], ["c"]])}), "list.parquet")
pq.write_table(pa.table({"doc": pa.array([{"text": "nested"}])}), "nested.parquet")
