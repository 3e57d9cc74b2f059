"""The tables of TPC-H: columns, keys and indexes, the same in every source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """One table. Types are spelled so that PostgreSQL, MariaDB, SQLite and DuckDB all take them."""

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]

    def ddl(self) -> str:
        """The CREATE TABLE statement."""
        columns = ", ".join(f"{name} {kind} not null" for name, kind in self.columns.items())
        return f"create table {self.name} ({columns}, primary key ({', '.join(self.key)}))"


MONEY = "decimal(15,2)"


def _table(name: str, key: str, **columns: str) -> Table:
    return Table(name, columns, tuple(key.split()))


TABLES = (
    _table("region", "r_regionkey", r_regionkey="integer", r_name="varchar(25)", r_comment="varchar(152)"),
    _table(
        "nation", "n_nationkey",
        n_nationkey="integer", n_name="varchar(25)", n_regionkey="integer", n_comment="varchar(152)",
    ),
    _table(
        "supplier", "s_suppkey",
        s_suppkey="integer", s_name="varchar(25)", s_address="varchar(40)", s_nationkey="integer",
        s_phone="varchar(15)", s_acctbal=MONEY, s_comment="varchar(101)",
    ),
    _table(
        "part", "p_partkey",
        p_partkey="integer", p_name="varchar(55)", p_mfgr="varchar(25)", p_brand="varchar(10)", p_type="varchar(25)",
        p_size="integer", p_container="varchar(10)", p_retailprice=MONEY, p_comment="varchar(23)",
    ),
    _table(
        "partsupp", "ps_partkey ps_suppkey",
        ps_partkey="integer", ps_suppkey="integer", ps_availqty="integer", ps_supplycost=MONEY,
        ps_comment="varchar(199)",
    ),
    _table(
        "customer", "c_custkey",
        c_custkey="integer", c_name="varchar(25)", c_address="varchar(40)", c_nationkey="integer",
        c_phone="varchar(15)", c_acctbal=MONEY, c_mktsegment="varchar(10)", c_comment="varchar(117)",
    ),
    _table(
        "orders", "o_orderkey",
        o_orderkey="integer", o_custkey="integer", o_orderstatus="varchar(1)", o_totalprice=MONEY, o_orderdate="date",
        o_orderpriority="varchar(15)", o_clerk="varchar(15)", o_shippriority="integer", o_comment="varchar(79)",
    ),
    _table(
        "lineitem", "l_orderkey l_linenumber",
        l_orderkey="integer", l_partkey="integer", l_suppkey="integer", l_linenumber="integer", l_quantity=MONEY,
        l_extendedprice=MONEY, l_discount=MONEY, l_tax=MONEY, l_returnflag="varchar(1)", l_linestatus="varchar(1)",
        l_shipdate="date", l_commitdate="date", l_receiptdate="date", l_shipinstruct="varchar(25)",
        l_shipmode="varchar(10)", l_comment="varchar(44)",
    ),
)

# Columns that are searched and joined by, besides the primary keys. The servers and SQLite get these indexes.
INDEXED = (
    ("orders", "o_custkey"),
    ("orders", "o_orderdate"),
    ("lineitem", "l_partkey"),
    ("lineitem", "l_suppkey"),
    ("lineitem", "l_shipdate"),
    ("partsupp", "ps_suppkey"),
    ("customer", "c_nationkey"),
    ("supplier", "s_nationkey"),
)


def index_ddl() -> list[str]:
    """The CREATE INDEX statements."""
    return [f"create index {column}_index on {table} ({column})" for table, column in INDEXED]
