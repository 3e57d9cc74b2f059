//! Random expressions, conditions and subqueries within a statement.

use super::statement::{Generator, Item};
use super::tables::{Class, Column};

const COMPARISONS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

/// An expression is a column whose name is its text.
impl Generator<'_> {
    /// A column of this class, or any; a literal when there is none.
    pub(super) fn column(&mut self, scope: &[Item], class: Option<Class>) -> Column {
        let columns: Vec<(&Item, &Column)> = scope
            .iter()
            .flat_map(|item| item.columns.iter().map(move |column| (item, column)))
            .filter(|(_, column)| class.is_none_or(|class| class == column.class))
            .collect();
        if columns.is_empty() {
            return self.literal(class.unwrap_or(Class::Integer));
        }
        let (item, column) = self.random.choose(&columns);
        Column { name: format!("{}.{}", item.alias, column.name), ..(*column).clone() }
    }

    pub(super) fn literal(&mut self, class: Class) -> Column {
        let values: &[&str] = match class {
            Class::Integer => &["0", "1", "2", "-1", "7"],
            Class::Decimal => &["0.0", "1.50", "-2.25", "10.00"],
            Class::Double => &["CAST(0.5 AS double precision)", "CAST(3 AS double precision)"],
            Class::Boolean => &["TRUE", "FALSE"],
            Class::Text => &["'a'", "'A'", "''", "'a '", "'ß'"],
            Class::Date => &["DATE '2024-01-15'", "DATE '1969-12-31'"],
            Class::Moment => &["TIMESTAMP '2024-02-10 14:00:00.5'", "TIMESTAMP '1969-12-31 23:59:59'"],
        };
        let name = (*self.random.choose(values)).to_owned();
        let values = values.iter().map(|&value| value.to_owned()).collect();
        Column { name, class, is_tame: true, values, most_equal: usize::MAX >> 20 }
    }

    /// An expression of this class, or any.
    pub(super) fn expression(&mut self, scope: &[Item], class: Option<Class>, depth: usize) -> Column {
        if depth > 0
            && let Some(class) = class.filter(|_| self.random.one_in(8))
            && let Some(converted) = self.converted(scope, class)
        {
            return converted;
        }
        let base = self.column(scope, class);
        if depth == 0 || self.random.below(10) < 6 {
            return base;
        }
        let is_mixed = base.class.is_number() && self.random.one_in(4);
        let other_class = if is_mixed { *self.random.choose(&Class::NUMBERS) } else { base.class };
        let other = self.expression(scope, Some(other_class), depth - 1);
        let is_tame = base.is_tame && other.is_tame;
        let class = base.class.with(other.class);
        let both = |name: String| Column { name, class, is_tame, ..base.clone() };
        if is_mixed {
            let (x, y) = (&base.name, &other.name);
            let arithmetic = if is_tame { 3 } else { 0 };
            let name = match self.random.below(4 + arithmetic) {
                0 => format!("greatest({x}, {y})"),
                1 => format!("least({x}, {y})"),
                2 => format!("COALESCE({x}, {y})"),
                3 => format!("CASE WHEN {} THEN {x} ELSE {y} END", self.predicate(scope, depth - 1)),
                4 => format!("({x} + {y})"),
                5 => format!("({x} - {y})"),
                _ => format!("({x} * {y})"),
            };
            return Column { is_tame: is_tame && class == Class::Integer && depth > 1, ..both(name) };
        }
        match self.random.below(8) {
            0 | 1 => {
                let condition = self.predicate(scope, depth - 1);
                both(format!("CASE WHEN {condition} THEN {} ELSE {} END", base.name, other.name))
            }
            2 => both(format!("COALESCE({}, {})", base.name, other.name)),
            3 => {
                let value = self.random.choose(&base.values).clone();
                both(format!("NULLIF({}, {value})", base.name))
            }
            4 => {
                let condition = self.predicate(scope, depth - 1);
                Column { is_tame: base.is_tame, ..both(format!("CASE WHEN {condition} THEN {} END", base.name)) }
            }
            _ => self.computed(&base, &other),
        }
    }

    /// Something of the same class made of one or two values.
    fn computed(&mut self, base: &Column, other: &Column) -> Column {
        let (x, y) = (&base.name, &other.name);
        let is_tame = base.is_tame && other.is_tame;
        let name = match (base.class, self.random.below(8)) {
            (Class::Integer, 0) if is_tame => format!("({x} + {y})"),
            (Class::Integer, 1) if is_tame => format!("({x} - {y})"),
            (Class::Integer, 2) if base.is_tame => format!("({x} * 3)"),
            (Class::Integer, 3) => format!("({x} % 7)"),
            (Class::Integer, 4) => format!("({x} / 3)"),
            (Class::Integer, 5) if base.is_tame => format!("CAST({x} AS smallint)"),
            (Class::Integer, 6) => format!("greatest({x}, {y})"),
            (Class::Integer, _) => format!("CAST({x} AS bigint)"),
            (Class::Decimal, 0) if is_tame => format!("({x} + {y})"),
            (Class::Decimal, 1) if is_tame => format!("({x} - {y})"),
            (Class::Decimal, 2) if base.is_tame => format!("({x} * 2)"),
            (Class::Decimal, 3) => format!("round({x}, 1)"),
            (Class::Decimal, 4) => format!("abs({x})"),
            (Class::Double, 0) if base.is_tame => format!("({x} * 2)"),
            (Class::Double, 1) if is_tame => format!("({x} + {y})"),
            (Class::Double, 2) => format!("abs({x})"),
            (Class::Boolean, 0) => format!("(NOT {x})"),
            (Class::Boolean, 1) => format!("({x} AND {y})"),
            (Class::Boolean, 2) => format!("({x} OR {y})"),
            (Class::Boolean, 3) => format!("({x} IS TRUE)"),
            (Class::Text, 0) => format!("lower({x})"),
            (Class::Text, 1) => format!("upper({x})"),
            (Class::Text, 2) => format!("({x} || {y})"),
            (Class::Text, 3) => format!("trim({x})"),
            (Class::Text, 4) => format!("substr({x}, 1, 2)"),
            (Class::Text, 5) => format!("replace({x}, 'a', 'b')"),
            (Class::Text, 6) => format!("concat({x}, {y})"),
            (Class::Text, _) => format!("left({x}, 2)"),
            (Class::Date, 0 | 1) if base.is_tame => format!("({x} + 1)"),
            (Class::Moment, 0..=2) if base.is_tame => format!("({x} + INTERVAL '1 day')"),
            _ => format!("COALESCE({x}, {y})"),
        };
        // What was tame is not for ever: chains of sums are short, but products grow.
        Column { name, is_tame: is_tame && base.class != Class::Decimal, ..base.clone() }
    }

    /// Something of this class made of a value of another.
    fn converted(&mut self, scope: &[Item], class: Class) -> Option<Column> {
        let from = match class {
            Class::Integer => *self.random.choose(&[Class::Decimal, Class::Double, Class::Date, Class::Text]),
            Class::Decimal => *self.random.choose(&[Class::Integer, Class::Decimal, Class::Moment]),
            Class::Double => *self.random.choose(&[Class::Integer, Class::Decimal]),
            Class::Boolean => *self.random.choose(&[Class::Text, Class::Integer]),
            Class::Text => *self.random.choose(&[Class::Integer, Class::Boolean, Class::Date, Class::Text]),
            Class::Date => Class::Moment,
            Class::Moment => *self.random.choose(&[Class::Date, Class::Moment]),
        };
        let column = self.column(scope, Some(from));
        let name = column.name;
        let (name, is_tame) = match (from, class) {
            (Class::Decimal | Class::Double, Class::Integer) if column.is_tame => {
                (format!("CAST({name} AS integer)"), true)
            }
            (Class::Date, Class::Integer) if column.is_tame => (format!("({name} - DATE '2024-01-20')"), true),
            (Class::Text, Class::Integer) => {
                let letter = self.random.choose(&["'a'", "'B'", "' '", "'ä'", "''"]);
                (format!("strpos({name}, {letter})"), true)
            }
            (Class::Integer, Class::Decimal) => (format!("CAST({name} AS decimal(25,3))"), false),
            (Class::Decimal, Class::Decimal) => (format!("{}({name})", self.random.choose(&["floor", "ceil"])), false),
            (Class::Moment, Class::Decimal) => {
                let part = self.random.choose(&["year", "month", "day", "hour", "minute", "dow", "doy", "quarter"]);
                (format!("extract({part} FROM {name})"), false)
            }
            (_, Class::Double) => (format!("CAST({name} AS double precision)"), false),
            (Class::Text, Class::Boolean) => {
                let letter = self.random.choose(&["'a'", "'A'", "'ä'", "''"]);
                (format!("starts_with({name}, {letter})"), true)
            }
            (_, Class::Boolean) => (format!("({name} > 1)"), true),
            (Class::Text, Class::Text) => {
                let calls = ["ltrim({})", "rtrim({})", "repeat({}, 2)", "right({}, 1)", "lpad({}, 3, '*')"];
                (self.random.choose(&calls).replace("{}", &name), true)
            }
            (_, Class::Text) => (format!("CAST({name} AS text)"), true),
            (_, Class::Date) => (format!("CAST({name} AS date)"), column.is_tame),
            (Class::Moment, Class::Moment) => {
                let part = self.random.choose(&["'year'", "'month'", "'day'", "'hour'", "'quarter'"]);
                (format!("date_trunc({part}, {name})"), column.is_tame)
            }
            (_, Class::Moment) => (format!("CAST({name} AS timestamp)"), column.is_tame),
            _ => return None,
        };
        let values = self.literal(class).values;
        Some(Column { name, class, is_tame, values, most_equal: column.most_equal })
    }

    /// A number made of a value of another class.
    fn measured(&mut self, scope: &[Item]) -> Option<String> {
        let column = self.column(scope, None);
        let name = column.name;
        Some(match column.class {
            Class::Text => format!("length({name})"),
            Class::Date | Class::Moment => {
                format!("extract({} FROM {name})", self.random.choose(&["year", "month", "day", "dow"]))
            }
            Class::Integer if column.is_tame => format!("abs({name})"),
            _ => return None,
        })
    }

    /// A condition on what is visible.
    pub(super) fn predicate(&mut self, scope: &[Item], depth: usize) -> String {
        if depth > 0 {
            match self.random.below(12) {
                0 => return format!("NOT ({})", self.predicate(scope, depth - 1)),
                1 | 2 => {
                    let (left, right) = (self.predicate(scope, depth - 1), self.predicate(scope, depth - 1));
                    return format!("({left} OR {right})");
                }
                3 => {
                    if let Some(number) = self.measured(scope) {
                        return format!("{number} {} {}", self.random.choose(&COMPARISONS), self.random.below(12));
                    }
                }
                4 => {
                    let left = self.expression(scope, None, depth);
                    let is_mixed = left.class.is_number() && self.random.one_in(3);
                    let class = if is_mixed { *self.random.choose(&Class::NUMBERS) } else { left.class };
                    let right = self.expression(scope, Some(class), depth - 1);
                    return format!("{} {} {}", left.name, self.random.choose(&COMPARISONS), right.name);
                }
                5 => {
                    let left = self.column(scope, None);
                    let right = self.column(scope, Some(left.class));
                    let not = if self.random.one_in(2) { "NOT " } else { "" };
                    return format!("{} IS {not}DISTINCT FROM {}", left.name, right.name);
                }
                _ => {}
            }
        }
        let column =
            if depth > 0 && self.random.one_in(3) { self.expression(scope, None, 1) } else { self.column(scope, None) };
        self.compared(&column)
    }

    /// A condition on one value.
    pub(super) fn compared(&mut self, column: &Column) -> String {
        let name = &column.name;
        let value = |generator: &mut Self| generator.random.choose(&column.values).clone();
        if column.class == Class::Boolean {
            return match self.random.below(6) {
                0 => name.clone(),
                1 => format!("NOT {name}"),
                2 => format!("{name} = TRUE"),
                3 => format!("{name} IS NOT TRUE"),
                4 => format!("{name} IS NULL"),
                _ => format!("{name} <> FALSE"),
            };
        }
        match self.random.below(12) {
            0 => format!("{name} IS NULL"),
            1 => format!("{name} IS NOT NULL"),
            2 | 3 => {
                let list = self.list(column);
                if self.random.one_in(4) {
                    let operator = self.random.choose(&["AND", "OR"]);
                    return format!("({list} {operator} {})", self.list(column));
                }
                list
            }
            4 => {
                let not = if self.random.one_in(4) { "NOT " } else { "" };
                format!("{name} {not}BETWEEN {} AND {}", value(self), value(self))
            }
            5 | 6 if column.class == Class::Text => self.like(column),
            7 if column.class.is_number() => {
                let literal = *self.random.choose(&["0", "1", "2.5", "-1", "0.10", "1000000", "3.000"]);
                format!("{name} {} {literal}", self.random.choose(&COMPARISONS))
            }
            _ => format!("{name} {} {}", self.random.choose(&COMPARISONS), value(self)),
        }
    }

    /// A condition on one value: some values, itself and NULL, that it is or is not, as a list or one by one.
    fn list(&mut self, column: &Column) -> String {
        let name = &column.name;
        let mut list: Vec<String> =
            (0..=self.random.below(5)).map(|_| self.random.choose(&column.values).clone()).collect();
        let not = if self.random.one_in(3) { "NOT " } else { "" };
        if self.random.one_in(8) {
            list.push("NULL".into());
        }
        if self.random.one_in(8) {
            list.push(name.clone());
        }
        if self.random.one_in(4) {
            let equal: Vec<String> = list.iter().map(|value| format!("{name} = {value}")).collect();
            return format!("{not}({})", equal.join(" OR "));
        }
        format!("{name} {not}IN ({})", list.join(", "))
    }

    fn like(&mut self, column: &Column) -> String {
        let value = self.random.choose(&column.values).clone();
        let inside: Vec<char> = value.trim_start_matches('\'').trim_end_matches('\'').chars().collect();
        let some: String =
            inside.iter().take(1 + self.random.below(2)).filter(|c| **c != '\'' && **c != '\\').collect();
        let pattern = match self.random.below(5) {
            0 => format!("{some}%"),
            1 => format!("%{some}"),
            2 => format!("%{some}%"),
            3 => format!("_{some}%"),
            _ => some,
        };
        let operator = *self.random.choose(&["LIKE", "LIKE", "LIKE", "NOT LIKE", "ILIKE"]);
        format!("{} {operator} '{pattern}'", column.name)
    }

    /// Two columns, one of each side, that can be compared, with what joins them.
    fn pair(&mut self, left: &Item, right: &Item, operators: &[&str]) -> Option<(String, Column, Column)> {
        let left_column = self.random.choose(&left.columns).clone();
        let fits = |column: &&Column| {
            column.class == left_column.class || (column.class.is_number() && left_column.class.is_number())
        };
        let candidates: Vec<&Column> = right.columns.iter().filter(fits).collect();
        if candidates.is_empty() {
            return None;
        }
        let right_column = (*self.random.choose(&candidates)).clone();
        let operator = self.random.choose(operators);
        let text = format!("{}.{} {operator} {}.{}", left.alias, left_column.name, right.alias, right_column.name);
        Some((text, left_column, right_column))
    }

    pub(super) fn equality(&mut self, left: &Item, right: &Item) -> Option<(String, Column, Column)> {
        self.pair(left, right, &["="])
    }

    pub(super) fn inequality(&mut self, left: &Item, right: &Item) -> Option<(String, Column, Column)> {
        self.pair(left, right, &["<", "<=", ">", "<>"])
    }

    /// A value from another table: the only one, or one per row.
    pub(super) fn scalar_subquery(&mut self, depth: usize, scope: &[Item]) -> Column {
        let (item, inner) = self.table();
        let value = self.column(std::slice::from_ref(&inner), None);
        let function = match value.class {
            Class::Boolean => "count",
            _ => *self.random.choose(&["max", "min", "count"]),
        };
        let filter = self.inner_filter(depth, scope, &inner);
        let name = format!("(SELECT {function}({}) FROM {item}{filter})", value.name);
        if function == "count" {
            let values = vec!["0".to_owned(), "1".to_owned()];
            return Column { name, class: Class::Integer, is_tame: true, values, most_equal: usize::MAX >> 20 };
        }
        Column { name, most_equal: usize::MAX >> 20, ..value }
    }

    /// Whether another table has rows: any, or some that fit.
    pub(super) fn existence(&mut self, depth: usize, scope: &[Item]) -> Column {
        let (item, inner) = self.table();
        let filter = self.inner_filter(depth, scope, &inner);
        let not = if self.random.one_in(3) { "NOT " } else { "" };
        let name = format!("({not}EXISTS (SELECT 1 FROM {item}{filter}))");
        Column { name, ..self.literal(Class::Boolean) }
    }

    /// WHERE of a subquery: conditions that look outside, or not.
    fn inner_filter(&mut self, depth: usize, scope: &[Item], inner: &Item) -> String {
        let mut conditions = Vec::new();
        let outer = &scope[self.random.below(scope.len())];
        if !self.random.one_in(3)
            && let Some((text, _, _)) = self.equality(inner, outer)
        {
            conditions.push(text);
        }
        if self.random.one_in(2) {
            conditions.push(self.predicate(std::slice::from_ref(inner), 1));
        }
        if depth < 2 && self.random.one_in(8) {
            conditions.push(self.subquery(depth + 1, std::slice::from_ref(inner)));
        }
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
    }

    /// A condition that asks another table.
    pub(super) fn subquery(&mut self, depth: usize, scope: &[Item]) -> String {
        if self.random.one_in(5) {
            let value = self.scalar_subquery(depth, scope);
            let outer = self.column(scope, Some(value.class));
            return format!("{} {} {}", outer.name, self.random.choose(&COMPARISONS), value.name);
        }
        let not = if self.random.one_in(2) { "NOT " } else { "" };
        let (item, inner) = self.table();
        let outer = scope[self.random.below(scope.len())].clone();
        if self.random.one_in(2) {
            let mut filter = self.inner_filter(depth, scope, &inner);
            if let Some((text, _, _)) = self.equality(&inner, &outer) {
                filter = if filter.is_empty() { format!(" WHERE {text}") } else { format!("{filter} AND {text}") };
                if self.random.one_in(4)
                    && let Some((more, _, _)) = self.inequality(&inner, &outer)
                {
                    filter = format!("{filter} AND {more}");
                }
            }
            return format!("{not}EXISTS (SELECT 1 FROM {item}{filter})");
        }
        let Some((_, inside, outside)) = self.equality(&inner, &outer) else { return "TRUE".to_owned() };
        let looks_outside = self.random.one_in(3);
        let filter = if looks_outside {
            self.inner_filter(depth, scope, &inner)
        } else {
            self.inner_filter(2, std::slice::from_ref(&inner), &inner)
        };
        let mut asked = format!("(SELECT {}.{} FROM {item}{filter})", inner.alias, inside.name);
        if !looks_outside && self.random.one_in(3) {
            // Called as the table outside, which it hides.
            for end in [".", " ", ")"] {
                asked = asked.replace(&format!("{}{end}", inner.alias), &format!("{}{end}", outer.alias));
            }
        }
        let tested = format!("{}.{}", outer.alias, outside.name);
        if self.random.one_in(3) {
            let quantifier = if self.random.one_in(2) { "ANY" } else { "ALL" };
            return format!("{tested} {} {quantifier} {asked}", self.random.choose(&COMPARISONS));
        }
        format!("{tested} {not}IN {asked}")
    }
}
