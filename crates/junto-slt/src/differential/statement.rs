//! Random statements over tables that are described by data.

use std::fmt::Write as _;

use super::random::Random;
use super::tables::{Class, Column, Table};

/// Rows that a query may have before its groups and limits; joins beyond are joined by their keys.
const MOST_ROWS: usize = 50_000;
/// Subqueries within subqueries.
const MOST_DEPTH: usize = 2;

/// A statement with a place for the alias of each table it reads: `{0}`, `{1}`, …
#[derive(Debug, Clone)]
pub(super) struct Statement {
    text: String,
    tables: usize,
    /// Its rows have an order that leaves no choice.
    pub(super) is_ordered: bool,
    /// Where the parenthesis opens that the order follows, if the statement was made up.
    inside: Option<usize>,
}

impl Statement {
    /// A statement that somebody wrote, and the sources it names.
    pub(super) fn written(sql: &str) -> (Self, Vec<String>) {
        let mut parts = sql.split('@');
        let mut text = parts.next().unwrap_or_default().to_owned();
        let mut spread = Vec::new();
        for part in parts {
            let (source, rest) = part.split_once('.').unwrap_or((part, ""));
            let _ = write!(text, "@{{{}}}.{rest}", spread.len());
            spread.push(source.to_owned());
        }
        let is_ordered = text.rsplit_once(')').is_some_and(|(_, end)| end.starts_with(" ORDER BY"));
        (Self { text, tables: spread.len(), is_ordered, inside: None }, spread)
    }

    /// The text with each table in the source that `source` names for its position.
    pub(super) fn over(&self, source: impl Fn(usize) -> String) -> String {
        let mut text = self.text.clone();
        for table in 0..self.tables {
            text = text.replace(&format!("{{{table}}}"), &source(table));
        }
        text
    }

    /// The text for a database that holds all tables, and that may not know an order after an order.
    pub(super) fn alone(&self) -> String {
        let mut text = self.text.clone();
        if let Some(start) = self.inside
            && let Some(end) = text.rfind(") ORDER BY")
        {
            text.insert_str(end + 1, " AS ordered");
            text.insert_str(start, "SELECT * FROM ");
        }
        for table in 0..self.tables {
            text = text.replace(&format!("@{{{table}}}."), "");
        }
        text
    }

    /// Number of tables.
    pub(super) fn tables(&self) -> usize {
        self.tables
    }
}

/// The statement of this random state.
pub(super) fn statement(random: &mut Random, tables: &[Table]) -> Statement {
    let mut generator = Generator { random, tables, used: 0, aliases: 0, named: None };
    let mut text = String::new();
    if generator.random.one_in(6) {
        let query = generator.select(1, None);
        let _ = write!(text, "WITH w AS ({}) ", query.text);
        generator.named = Some(Item { alias: "w".into(), columns: query.columns, rows: query.rows });
    }
    let query = generator.query(0, None);
    let is_ordered = generator.random.one_in(2);
    let start = text.len();
    if is_ordered {
        // It may have an order of its own.
        let _ = write!(text, "({}){}", query.text, generator.order(query.columns.len()));
    } else {
        text.push_str(&query.text);
    }
    Statement { text, tables: generator.used, is_ordered, inside: is_ordered.then_some(start) }
}

/// What a FROM clause makes visible under a name.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) alias: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: usize,
}

/// A query, its columns and its rows at most.
pub(super) struct Query {
    pub(super) text: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: usize,
}

pub(super) struct Generator<'r> {
    pub(super) random: &'r mut Random,
    tables: &'r [Table],
    /// Tables so far.
    used: usize,
    aliases: usize,
    /// The common table expression.
    named: Option<Item>,
}

impl Generator<'_> {
    /// One selection, or several put together.
    fn query(&mut self, depth: usize, classes: Option<&[Class]>) -> Query {
        if !self.random.one_in(7) {
            return self.select(depth, classes);
        }
        // Of one or two columns, so that both sides have equal rows.
        let few: Vec<Class> = match classes {
            Some(classes) => classes.to_vec(),
            None => {
                let kinds = [Class::Integer, Class::Decimal, Class::Double, Class::Boolean, Class::Text, Class::Date];
                (0..=self.random.below(2)).map(|_| *self.random.choose(&kinds)).collect()
            }
        };
        let few = (classes.is_some() || !self.random.one_in(4)).then_some(few);
        let mut query = self.select(depth, few.as_deref());
        let classes: Vec<Class> = query.columns.iter().map(|column| column.class).collect();
        let operator = *self.random.choose(&[
            "UNION ALL",
            "UNION ALL",
            "UNION",
            "UNION",
            "INTERSECT",
            "EXCEPT",
            "EXCEPT ALL",
            "INTERSECT ALL",
        ]);
        // Numbers of one kind meet those of another.
        let mixed = |class: &Class| {
            if class.is_number() && self.random.one_in(5) { *self.random.choose(&Class::NUMBERS) } else { *class }
        };
        let other_classes: Vec<Class> = classes.iter().map(mixed).collect();
        let other = self.select(depth, Some(&other_classes));
        query.text = format!("({}) {operator} ({})", query.text, other.text);
        query.rows = query.rows.saturating_add(other.rows);
        for (column, other) in query.columns.iter_mut().zip(other.columns) {
            // Decimals are not exact beside floating-point numbers.
            column.is_tame &= other.is_tame && column.class == other.class;
            column.class = column.class.with(other.class);
            column.most_equal = column.most_equal.saturating_add(other.most_equal);
            column.values.extend(other.values);
        }
        query
    }

    /// A selection with columns of these classes, or any.
    fn select(&mut self, depth: usize, classes: Option<&[Class]>) -> Query {
        let (from, scope, rows) = self.sources_clause(depth);
        let filter = self.filter(depth, &scope);
        match (classes, self.random.below(10)) {
            (None, 0..=3) => self.grouped(&from, &filter, &scope, rows),
            (None, 4) => self.windowed(&from, &filter, &scope, rows),
            _ => self.plain(depth, &from, &filter, &scope, rows, classes),
        }
    }

    fn plain(
        &mut self,
        depth: usize,
        from: &str,
        filter: &str,
        scope: &[Item],
        rows: usize,
        classes: Option<&[Class]>,
    ) -> Query {
        let mut columns = Vec::new();
        let mut items = Vec::new();
        let wanted: Vec<Option<Class>> = match classes {
            Some(classes) => classes.iter().copied().map(Some).collect(),
            None => vec![None; 1 + self.random.below(4)],
        };
        for class in wanted {
            let expression = self.expression(scope, class, 2);
            self.item(expression, &mut items, &mut columns);
        }
        if depth < MOST_DEPTH && classes.is_none() && self.random.one_in(8) {
            let asked = if self.random.one_in(3) {
                self.existence(depth + 1, scope)
            } else {
                self.scalar_subquery(depth + 1, scope)
            };
            self.item(asked, &mut items, &mut columns);
        }
        if self.random.one_in(20) {
            // The rows of a tie are equal.
            let key = self.column(scope, None).name;
            let direction = *self.random.choose(&["", " DESC", " NULLS FIRST"]);
            let order: Vec<&str> = items.iter().filter_map(|item| Some(item.rsplit_once(" AS ")?.0)).collect();
            let (items, order) = (items.join(", "), order.join(", "));
            let text =
                format!("SELECT DISTINCT ON ({key}) {items} FROM {from}{filter} ORDER BY {key}{direction}, {order}");
            return Query { text, columns, rows };
        }
        let distinct = if self.random.one_in(5) { "DISTINCT " } else { "" };
        let mut text = format!("SELECT {distinct}{} FROM {from}{filter}", items.join(", "));
        if self.random.one_in(6) {
            text.push_str(&self.order(items.len()));
            let limit = 1 + self.random.below(12);
            let _ = write!(text, " LIMIT {limit}");
            if self.random.one_in(4) {
                let _ = write!(text, " OFFSET {}", 1 + self.random.below(3));
            }
            return Query { text, columns, rows: limit };
        }
        Query { text, columns, rows }
    }

    /// Adds a column `c0`, `c1`, … to a SELECT list.
    pub(super) fn item(&mut self, expression: Column, items: &mut Vec<String>, columns: &mut Vec<Column>) {
        let name = format!("c{}", items.len());
        items.push(format!("{} AS {name}", expression.name));
        columns.push(Column { name, ..expression });
    }

    /// An order by all columns, so that rows that tie are equal.
    fn order(&mut self, columns: usize) -> String {
        let choices = ["", "", "", " DESC", " NULLS FIRST", " DESC NULLS LAST"];
        let start = self.random.below(columns);
        let keys: Vec<String> = (0..columns)
            .map(|column| format!("{}{}", (start + column) % columns + 1, self.random.choose(&choices)))
            .collect();
        format!(" ORDER BY {}", keys.join(", "))
    }

    /// A FROM clause, what it makes visible, and its rows at most.
    fn sources_clause(&mut self, depth: usize) -> (String, Vec<Item>, usize) {
        let (mut from, first) = self.joined_item(depth);
        let mut rows = first.rows;
        let mut scope = vec![first];
        let joins = *self.random.choose(&[0, 0, 1, 1, 1, 2, 2, 3]);
        for _ in 0..joins {
            let (text, mut item) = self.joined_item(depth);
            let kind = *self.random.choose(&["JOIN", "JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
            let left = self.random.below(scope.len());
            let Some((condition, left_equal, right_equal)) = self.join_condition(&scope, left, &item, rows) else {
                continue;
            };
            let together = rows.saturating_mul(right_equal).min(item.rows.saturating_mul(left_equal));
            let _ = write!(from, " {kind} {text} ON {condition}");
            for other in &mut scope {
                multiply(other, right_equal);
            }
            multiply(&mut item, left_equal);
            rows = together.max(rows).max(item.rows);
            scope.push(item);
        }
        (from, scope, rows)
    }

    fn joined_item(&mut self, depth: usize) -> (String, Item) {
        if let Some(named) = &self.named
            && self.random.one_in(2)
        {
            self.aliases += 1;
            let item = Item { alias: format!("t{}", self.aliases), ..named.clone() };
            return (format!("w {}", item.alias), item);
        }
        if depth < MOST_DEPTH && self.random.one_in(8) {
            let query = self.query(depth + 1, None);
            self.aliases += 1;
            let alias = format!("t{}", self.aliases);
            return (format!("({}) {alias}", query.text), Item { alias, columns: query.columns, rows: query.rows });
        }
        if self.random.one_in(25) { self.values() } else { self.table() }
    }

    /// A FROM item of literals.
    fn values(&mut self) -> (String, Item) {
        self.aliases += 1;
        let alias = format!("t{}", self.aliases);
        let classes =
            [Class::Integer, *self.random.choose(&[Class::Text, Class::Decimal, Class::Date, Class::Boolean])];
        let rows: Vec<String> = (0..=self.random.below(4))
            .map(|row| {
                let value = self.literal(classes[1]).name;
                // The first row says what the columns are.
                let value = if row > 0 && self.random.one_in(4) { "NULL".to_owned() } else { value };
                format!("({}, {value})", self.literal(Class::Integer).name)
            })
            .collect();
        let columns = ["id", "c0"].into_iter().zip(classes).map(|(name, class)| Column {
            name: name.to_owned(),
            most_equal: rows.len(),
            ..self.literal(class)
        });
        let columns = columns.collect();
        let text = format!("(VALUES {}) AS {alias}(id, c0)", rows.join(", "));
        (text, Item { alias, columns, rows: rows.len() })
    }

    /// A table's FROM item.
    pub(super) fn table(&mut self) -> (String, Item) {
        let table = self.random.choose(self.tables);
        self.aliases += 1;
        let alias = format!("t{}", self.aliases);
        let text = format!("@{{{}}}.{} {alias}", self.used, table.name);
        self.used += 1;
        (text, Item { alias, columns: table.columns.clone(), rows: table.rows })
    }

    /// A condition that joins `item`, with how often a row of each side repeats; none when there would be too many rows.
    fn join_condition(
        &mut self,
        scope: &[Item],
        left: usize,
        item: &Item,
        rows: usize,
    ) -> Option<(String, usize, usize)> {
        for _ in 0..4 {
            let Some((text, left_column, right_column)) = self.equality(&scope[left], item) else { continue };
            let (left_equal, right_equal) = (left_column.most_equal.max(1), right_column.most_equal.max(1));
            if rows.saturating_mul(right_equal).min(item.rows.saturating_mul(left_equal)) > MOST_ROWS {
                continue;
            }
            let mut condition = text;
            match self.random.below(6) {
                0 => {
                    if let Some((more, _, _)) = self.equality(&scope[left], item) {
                        let _ = write!(condition, " AND {more}");
                    }
                }
                1 => {
                    if let Some((more, _, _)) = self.inequality(&scope[left], item) {
                        let _ = write!(condition, " AND {more}");
                    }
                }
                2 => {
                    let side = if self.random.one_in(2) { item } else { &scope[left] };
                    let more = self.predicate(std::slice::from_ref(side), 0);
                    let _ = write!(condition, " AND {more}");
                }
                _ => {}
            }
            return Some((condition, left_equal, right_equal));
        }
        None
    }

    fn filter(&mut self, depth: usize, scope: &[Item]) -> String {
        let mut conditions = Vec::new();
        for _ in 0..self.random.below(3) {
            conditions.push(self.predicate(scope, 2));
        }
        if depth < MOST_DEPTH && self.random.one_in(4) {
            let asked = self.subquery(depth + 1, scope);
            let beside = self.random.one_in(4).then(|| self.predicate(scope, 1));
            conditions.push(beside.map_or(asked.clone(), |other| format!("({other} OR {asked})")));
        }
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
    }

    fn grouped(&mut self, from: &str, filter: &str, scope: &[Item], rows: usize) -> Query {
        let mut items = Vec::new();
        let mut columns = Vec::new();
        let mut groups: Vec<String> = Vec::new();
        for _ in 0..*self.random.choose(&[0, 1, 1, 1, 2, 2, 3]) {
            let key = if self.random.one_in(4) { self.expression(scope, None, 1) } else { self.column(scope, None) };
            // A constant would be a position.
            let is_constant = !scope.iter().any(|item| key.name.contains(&format!("{}.", item.alias)));
            if !is_constant && !groups.contains(&key.name) {
                groups.push(key.name.clone());
                self.item(key, &mut items, &mut columns);
            }
        }
        for _ in 0..=self.random.below(3) {
            let aggregate = self.aggregate(scope);
            self.item(aggregate, &mut items, &mut columns);
        }
        let mut text = format!("SELECT {} FROM {from}{filter}", items.join(", "));
        if !groups.is_empty() {
            let list = groups.join(", ");
            let list = match self.random.below(12) {
                0 if groups.len() > 1 => format!("ROLLUP ({list})"),
                1 if groups.len() > 1 => format!("CUBE ({list})"),
                2 if groups.len() > 1 => format!("GROUPING SETS (({list}), ({}), ())", groups[0]),
                _ => list,
            };
            let _ = write!(text, " GROUP BY {list}");
        }
        if self.random.one_in(4) {
            let aggregate = self.aggregate(scope);
            let condition = match self.random.below(3) {
                0 => format!("count(*) > {}", self.random.below(4)),
                1 => format!("{} IS NOT NULL", aggregate.name),
                _ => self.compared(&aggregate),
            };
            let _ = write!(text, " HAVING {condition}");
        }
        let rows = if groups.is_empty() { 1 } else { rows };
        for column in &mut columns {
            column.most_equal = rows;
        }
        Query { text, columns, rows }
    }

    fn aggregate(&mut self, scope: &[Item]) -> Column {
        let any = self.expression(scope, None, 1);
        let number_class = *self.random.choose(&[Class::Integer, Class::Integer, Class::Decimal, Class::Double]);
        let number = self.expression(scope, Some(number_class), 1);
        let exact = number.class != Class::Double || number.is_tame;
        let count = |name: String| Column {
            name,
            class: Class::Integer,
            is_tame: true,
            values: ["0", "1", "2", "10"].map(str::to_owned).to_vec(),
            most_equal: 1,
        };
        let mut aggregate = match self.random.below(10) {
            0 => return count("count(*)".into()),
            1 => count(format!("count({})", any.name)),
            2 => count(format!("count(DISTINCT {})", any.name)),
            3 | 4 if exact => {
                Column { name: format!("sum({})", number.name), is_tame: number.class == Class::Double, ..number }
            }
            // Averages of integers are floating-point numbers, which lose digits where very large ones cancel.
            5 if exact && (number.is_tame || number.class != Class::Integer) => Column {
                name: format!("avg({})", number.name),
                class: if number.class == Class::Decimal { Class::Decimal } else { Class::Double },
                is_tame: false,
                ..number
            },
            6 if any.class != Class::Boolean => Column { name: format!("min({})", any.name), ..any },
            7 if any.class == Class::Boolean => Column { name: format!("bool_and({})", any.name), ..any },
            8 if exact => Column { name: format!("sum(DISTINCT {})", number.name), is_tame: false, ..number },
            9 if any.class == Class::Text => {
                Column { name: format!("string_agg({0}, ',' ORDER BY {0})", any.name), ..any }
            }
            _ if any.class != Class::Boolean => Column { name: format!("max({})", any.name), ..any },
            _ => Column { name: format!("bool_or({})", any.name), ..any },
        };
        if self.random.one_in(6) {
            let condition = self.predicate(scope, 1);
            aggregate.name = format!("{} FILTER (WHERE {condition})", aggregate.name);
        }
        aggregate
    }

    /// Window functions that ties leave without a choice.
    fn windowed(&mut self, from: &str, filter: &str, scope: &[Item], rows: usize) -> Query {
        let mut items = Vec::new();
        let mut columns = Vec::new();
        for _ in 0..=self.random.below(2) {
            let column = self.column(scope, None);
            self.item(column, &mut items, &mut columns);
        }
        let shown: Vec<String> = items.iter().filter_map(|item| item.split(" AS ").next().map(str::to_owned)).collect();
        let partition = if self.random.one_in(3) {
            String::new()
        } else {
            format!("PARTITION BY {}", self.column(scope, None).name)
        };
        let key = self.column(scope, None).name;
        let direction = *self.random.choose(&["", " DESC", " NULLS FIRST"]);
        let number = self.column(scope, Some(Class::Integer)).name;
        let text = self.column(scope, None);
        // Rows that tie in all that is shown, counted and chosen by are one as good as the other.
        let all = format!("{partition} ORDER BY {key}{direction}, {number}, {}", shown.join(", "));
        let function = match self.random.below(15) {
            0 => format!("row_number() OVER ({partition} ORDER BY {key}{direction}, {})", shown.join(", ")),
            1 => format!("rank() OVER ({partition} ORDER BY {key}{direction})"),
            2 => format!("dense_rank() OVER ({partition} ORDER BY {key}{direction})"),
            3 => format!("sum({number}) OVER ({partition} ORDER BY {key}{direction})"),
            4 => format!("count({}) OVER ({partition})", text.name),
            6 => format!("lag({number}) OVER ({all})"),
            7 => format!("lead({number}, 2) OVER ({all})"),
            8 => format!("sum({number}) OVER ({all} ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING)"),
            9 => format!("first_value({number}) OVER ({all})"),
            10 => format!("min({number}) OVER ({all} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"),
            11 => format!("ntile(3) OVER ({all})"),
            12 => format!("cume_dist() OVER ({partition} ORDER BY {key}{direction})"),
            13 => format!(
                "sum({number}) OVER ({partition} ORDER BY {key}{direction} GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW)"
            ),
            14 => format!("last_value({number}) OVER ({all} ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)"),
            _ if text.class != Class::Boolean => format!("max({}) OVER ({partition})", text.name),
            _ => format!("count(*) OVER ({partition} ORDER BY {key}{direction})"),
        };
        let (class, values) = match &function[..3] {
            "max" => (text.class, text.values),
            "cum" => (Class::Double, self.literal(Class::Double).values),
            _ => (Class::Integer, self.literal(Class::Integer).values),
        };
        let column = Column { name: function, class, is_tame: false, values, most_equal: rows };
        self.item(column, &mut items, &mut columns);
        Query { text: format!("SELECT {} FROM {from}{filter}", items.join(", ")), columns, rows }
    }
}

fn multiply(item: &mut Item, times: usize) {
    for column in &mut item.columns {
        column.most_equal = column.most_equal.saturating_mul(times);
    }
}
