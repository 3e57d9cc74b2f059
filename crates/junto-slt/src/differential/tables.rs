//! Tables as statements see them, and the fixed ones that `slt/seed` puts into every source.

/// What a column can be compared with: columns of its class, and numbers with numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Integer,
    Decimal,
    Double,
    Boolean,
    Text,
    Date,
    Moment,
}

impl Class {
    pub(super) const NUMBERS: [Self; 3] = [Class::Integer, Class::Decimal, Class::Double];

    /// What a value of this class becomes beside one of another.
    pub(super) fn with(self, other: Self) -> Self {
        let place = |class| Self::NUMBERS.iter().position(|&number| number == class);
        if place(other) > place(self) { other } else { self }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Class::Integer | Class::Decimal | Class::Double)
    }
}

/// A column of a table, or of a query within a statement.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) class: Class,
    /// Its numbers are small: arithmetic does not overflow, and sums of doubles are exact in any order.
    pub(super) is_tame: bool,
    /// Literals to compare it with, most of them among its values.
    pub(super) values: Vec<String>,
    /// Rows that share a value, at most.
    pub(super) most_equal: usize,
}

/// A table that every source holds with the same rows. Its first column is a key of whole numbers.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: usize,
}

/// Rows of the longest fixed table.
const FIXED_ROWS: usize = 13;

/// The tables that all sources share.
pub(super) fn fixed() -> Vec<Table> {
    let ids = ["1", "2", "3", "5", "9", "100", "102", "106", "-1"];
    let prices = ["0", "0.99", "10.00", "99.99", "249", "-35.25"];
    let names = ["'Ada'", "'ada'", "'Pen'", "'US'", "'home'", "'paid'", "''", "'apple '"];
    let words =
        ["'apple'", "'Apple'", "'apple '", "'äpfel'", "''", "'a_c'", "'a%c'", "'it''s'", "'back\\slash'", "'日本'"];
    let days = ["DATE '2020-01-15'", "DATE '2022-02-28'", "DATE '2022-01-01'"];
    let moments = ["TIMESTAMP '2024-02-10 14:00:00'", "TIMESTAMP '2023-12-31 23:59:59.5'"];
    let column = |name: &str, class, values: &[&str]| Column {
        name: name.to_owned(),
        class,
        is_tame: true,
        values: values.iter().map(|&value| value.to_owned()).collect(),
        most_equal: FIXED_ROWS,
    };
    let id = |name| column(name, Class::Integer, &ids);
    let price = |name| column(name, Class::Decimal, &prices);
    let text = |name| column(name, Class::Text, &names);
    let table = |name: &str, columns| Table { name: name.to_owned(), columns, rows: FIXED_ROWS };
    let big = Column { is_tame: false, ..column("big", Class::Integer, &["0", "1", "9223372036854775807"]) };
    let double = Column {
        is_tame: false,
        ..column("dbl", Class::Double, &["1.5", "0.1", "CAST('1e300' AS double precision)", "-2.25"])
    };
    vec![
        table(
            "customers",
            vec![id("id"), text("name"), text("country"), price("balance"), column("joined", Class::Date, &days)],
        ),
        table("products", vec![id("id"), text("name"), text("category"), price("price")]),
        table(
            "orders",
            vec![
                id("id"),
                id("customer_id"),
                column("placed", Class::Moment, &moments),
                text("status"),
                price("total"),
            ],
        ),
        table("lines", vec![id("order_id"), id("line_no"), id("product_id"), id("quantity"), price("price")]),
        table(
            "numbers",
            vec![id("id"), id("small"), Column { is_tame: false, ..id("whole") }, big, price("dec"), double],
        ),
        table("words", vec![id("id"), column("word", Class::Text, &words)]),
    ]
}
