//! What the columns of a query are called: by the engine, by the statement around it, and by the people who read it.

use super::expr::{coalesce, relation_column};
use super::query::unsupported;
use super::scope::{Bare, Column, Scope};
use super::texts::item_texts;
use super::{Resolver, engine_ident};
use crate::Result;
use crate::names::{Fit, Written, defined_name};
use sqlparser::ast::{
    CastKind, Distinct, Expr, Ident, ObjectName, ObjectNamePart, OrderBy, OrderByExpr, OrderByKind, Select, SelectItem,
    SelectItemQualifiedWildcardKind, Value,
};
use std::collections::{HashMap, HashSet};

/// Where a query stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Its columns are the result.
    Top,
    /// Its columns can be named from outside: a derived table or common table expression.
    Named,
    /// Nobody names its columns: a subquery in an expression, or the right side of a UNION.
    Anonymous,
}

/// The columns of a query.
#[derive(Debug, Clone, Default)]
pub(super) struct Outputs {
    /// In order; unknown when a wildcard covers something whose columns are unknown.
    pub(super) columns: Option<Vec<Column>>,
    /// The select items, for ORDER BY and GROUP BY.
    items: Vec<Item>,
}

/// One item of a select list, after binding.
#[derive(Debug, Clone)]
struct Item {
    column: Column,
    /// What it computes.
    expr: Expr,
    /// How ORDER BY refers to it: by its alias, or as the column it is.
    name: Expr,
    /// Whether it has an alias, the user's or a generated one.
    aliased: bool,
}

impl Outputs {
    pub(super) fn of_columns(columns: Vec<Column>) -> Self {
        Self { columns: Some(columns), items: Vec::new() }
    }

    /// The output that a name means.
    pub(super) fn column(&self, written: Written<'_>) -> Option<&Column> {
        best_fit(self.columns.iter().flatten(), |column| column, written)
    }

    /// The expression that refers to the select item of this name.
    pub(super) fn named(&self, written: Written<'_>) -> Option<Expr> {
        best_fit(self.items.iter(), |item| &item.column, written).map(|item| item.name.clone())
    }

    /// Whether the select list gives this engine name to something by an alias.
    pub(super) fn defines(&self, engine: &str) -> bool {
        self.items.iter().any(|item| item.aliased && item.column.engine == engine)
    }

    /// What refers to the select item at a position, counted from 1; none where columns of a wildcard are counted, too.
    fn at(&self, position: &str) -> Option<Expr> {
        let has_wildcard = self.columns.as_ref().is_none_or(|columns| columns.len() != self.items.len());
        let item = self.items.get(position.parse::<usize>().ok()?.checked_sub(1)?).filter(|_| !has_wildcard)?;
        Some(item.name.clone())
    }

    /// The alias of the select item that computes `expr`.
    fn computing(&self, expr: &Expr) -> Option<Expr> {
        let aliased = self.items.iter().filter(|item| item.aliased);
        aliased.into_iter().find(|item| item.expr == *expr).map(|item| item.name.clone())
    }
}

/// The number that stands for an item of the select list.
fn position(expr: &Expr) -> Option<&str> {
    let Expr::Value(value) = expr else { return None };
    let Value::Number(number, _) = &value.value else { return None };
    Some(number)
}

/// Puts the keys of DISTINCT ON into the order of the keys that sort, where they are the first of these. The engine wants it.
fn in_order(keys: &mut Vec<Expr>, sort: &[OrderByExpr], outputs: &Outputs) {
    let mut ordered: Vec<Expr> = Vec::new();
    for key in sort {
        let key = position(&key.expr).and_then(|at| outputs.at(at)).unwrap_or_else(|| key.expr.clone());
        if keys.contains(&key) && !ordered.contains(&key) {
            ordered.push(key);
        } else if !ordered.contains(&key) {
            break;
        }
    }
    if keys.iter().all(|key| ordered.contains(key)) {
        *keys = ordered;
    }
}

fn best_fit<'i, T>(
    items: impl Iterator<Item = &'i T>,
    column: impl Fn(&T) -> &Column,
    written: Written<'_>,
) -> Option<&'i T> {
    let mut found: Option<(Fit, &T)> = None;
    for item in items {
        let Some(fit) = column(item).fit(written) else { continue };
        if found.is_none_or(|(best, _)| fit > best) {
            found = Some((fit, item));
        }
    }
    found.map(|(_, item)| item)
}

/// What people see above the columns of a result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutputNames {
    /// All names in order, if they were known when the statement was resolved.
    all: Option<Vec<String>>,
    /// Engine name and shown name.
    by_engine: Vec<(String, String)>,
}

impl OutputNames {
    pub(super) fn new(outputs: &Outputs) -> Self {
        let all = outputs.columns.as_ref().map(|columns| columns.iter().map(|column| column.shown.clone()).collect());
        let items = outputs.items.iter().map(|item| &item.column);
        let columns = items.chain(outputs.columns.iter().flatten());
        let by_engine = columns.map(|column| (column.engine.clone(), column.shown.clone())).collect();
        Self { all, by_engine }
    }

    /// The names to show for a result with these field names: an alias as typed, a column in its source's spelling,
    /// else the text of the expression. Fields that the statement does not name, as of table functions, keep theirs.
    pub fn shown<'n>(&'n self, fields: &[&'n str]) -> Vec<&'n str> {
        if let Some(all) = self.all.as_ref().filter(|all| all.len() == fields.len()) {
            return all.iter().map(String::as_str).collect();
        }
        fields.iter().map(|field| self.shown_one(field)).collect()
    }

    fn shown_one<'n>(&'n self, field: &'n str) -> &'n str {
        self.by_engine.iter().find(|(engine, _)| engine == field).map_or(field, |(_, shown)| shown.as_str())
    }
}

/// A wildcard's columns: what each is in the engine, and what it is called.
type Expanded = Vec<(Expr, Column)>;

impl Resolver<'_> {
    /// Everything of a SELECT but its FROM clause, whose scope is the innermost now.
    pub(super) fn select_in_scope(
        &mut self,
        select: &mut Select,
        order_by: Option<&mut OrderBy>,
        role: Role,
    ) -> Result<Outputs> {
        for table in &mut select.from {
            self.join_conditions(table)?;
        }
        let sorts_input = order_by.as_deref().is_some_and(sorts_input);
        let outputs = self.select_list(select, role, sorts_input)?;
        if let Some(condition) = &mut select.selection {
            self.expr(condition, None)?;
        }
        self.exprs_of(&mut select.group_by, Some(&outputs))?;
        self.exprs_of(&mut select.having, Some(&outputs))?;
        self.exprs_of(&mut select.qualify, Some(&outputs))?;
        self.exprs_of(&mut select.named_window, None)?;
        let distinct = select.distinct.is_some();
        if let Some(Distinct::On(exprs)) = &mut select.distinct {
            for expr in exprs {
                match position(expr) {
                    Some(at) => {
                        let what = "DISTINCT ON takes positions in a select list without `*`, up to its end";
                        *expr = outputs.at(at).ok_or_else(|| unsupported(what))?;
                    }
                    None => self.order_expr(expr, &outputs, false)?,
                }
            }
        }
        if let Some(OrderBy { kind: OrderByKind::Expressions(exprs), .. }) = order_by {
            for order in exprs.iter_mut() {
                self.order_expr(&mut order.expr, &outputs, distinct)?;
            }
            if let Some(Distinct::On(keys)) = &mut select.distinct {
                in_order(keys, exprs, &outputs);
            }
        }
        Ok(outputs)
    }

    /// ORDER BY and DISTINCT ON: a name alone is one of the select list before it is a column.
    fn order_expr(&mut self, expr: &mut Expr, outputs: &Outputs, distinct: bool) -> Result<()> {
        if let Expr::Identifier(ident) = &*expr
            && let Some(named) = outputs.named(Written::from(ident))
        {
            *expr = named;
            return Ok(());
        }
        self.expr(expr, Some(outputs))?;
        // SELECT DISTINCT allows only what is selected, which the engine knows by its alias.
        if distinct && let Some(name) = outputs.computing(expr) {
            *expr = name;
        }
        Ok(())
    }

    /// Binds the select list and gives every item a name of its own.
    fn select_list(&mut self, select: &mut Select, role: Role, sorts_input: bool) -> Result<Outputs> {
        let texts = item_texts(self.parsed.text(), self.parsed.span(select.select_token.0.span).end);
        let texts = texts.filter(|texts| texts.len() == select.projection.len());
        let mut items = Vec::with_capacity(select.projection.len());
        for (position, item) in std::mem::take(&mut select.projection).into_iter().enumerate() {
            let text = texts.as_ref().and_then(|texts| texts.get(position)).cloned();
            items.push(self.select_item(item, text)?);
        }
        let items = expand_where_needed(items, self.scopes.last(), role);
        let mut names = Names::new(&items, role);
        // Where ORDER BY reads input columns, the engine takes no alias of the same name; nor where it may put input
        // columns beside the selected ones, because they are compared with those of a query around.
        let looks_outside = self.scopes.len() > 1;
        if let Some(scope) = self.scopes.last().filter(|_| sorts_input || looks_outside) {
            names.hidden = scope.relations.iter().flat_map(|one| one.columns.iter().flatten()).cloned().collect();
        }
        let mut outputs = Outputs { columns: Some(Vec::new()), items: Vec::new() };
        for item in items {
            match item {
                Listed::Wildcard { item, columns, .. } => {
                    select.projection.push(item);
                    match columns {
                        Some(new) => {
                            if let Some(all) = &mut outputs.columns {
                                all.extend(new.into_iter().map(|(_, column)| column));
                            }
                        }
                        None => outputs.columns = None,
                    }
                }
                Listed::Expr(unnamed) => {
                    let item = self.name_item(unnamed, &mut names, role);
                    select.projection.push(item.select_item());
                    if let Some(all) = &mut outputs.columns {
                        all.push(item.column.clone());
                    }
                    outputs.items.push(item);
                }
            }
        }
        Ok(outputs)
    }

    fn select_item(&mut self, item: SelectItem, text: Option<String>) -> Result<Listed> {
        match item {
            SelectItem::UnnamedExpr(expr) => self.unnamed(expr, None, text),
            SelectItem::ExprWithAlias { expr, alias } => self.unnamed(expr, Some(alias), text),
            SelectItem::ExprWithAliases { .. } => Err(unsupported("an expression has one alias")),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(mut name), options) => {
                let relation = self.wildcard_relation(&mut name)?;
                let columns = relation.columns.as_ref().map(|columns| {
                    columns.iter().map(|column| (relation_column(&relation, column), column.clone())).collect()
                });
                let simple = options == sqlparser::ast::WildcardAdditionalOptions::default();
                let item = SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options);
                Ok(Listed::Wildcard { item, columns: columns.filter(|_| simple), covers: vec![relation.engine] })
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(mut expr), options) => {
                self.expr(&mut expr, None)?;
                let item = SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), options);
                Ok(Listed::Wildcard { item, columns: None, covers: Vec::new() })
            }
            SelectItem::Wildcard(options) => {
                let simple = options == sqlparser::ast::WildcardAdditionalOptions::default();
                let scope = self.scopes.last().filter(|_| simple);
                let columns = scope.and_then(expand);
                let covers = scope.map(|scope| scope.relations.iter().map(|one| one.engine.clone()).collect());
                Ok(Listed::Wildcard {
                    item: SelectItem::Wildcard(options),
                    columns,
                    covers: covers.unwrap_or_default(),
                })
            }
        }
    }

    fn unnamed(&mut self, mut expr: Expr, alias: Option<Ident>, text: Option<String>) -> Result<Listed> {
        let text = text.unwrap_or_else(|| expr.to_string());
        let figure = figure_name(&expr);
        if let Some((bound, column)) = self.plain_column(&expr)? {
            return Ok(Listed::Expr(Unnamed { expr: bound, alias, column: Some(column), figure: None, text }));
        }
        self.expr(&mut expr, None)?;
        Ok(Listed::Expr(Unnamed { expr, alias, column: None, figure, text }))
    }

    /// Decides what an item of the select list is called.
    fn name_item(&mut self, unnamed: Unnamed, names: &mut Names, role: Role) -> Item {
        let Unnamed { expr, alias, column, figure, text } = unnamed;
        if let Some(alias) = alias {
            let mut named = Column::defined(defined_name(&alias), &alias.value);
            let renames = column.as_ref().is_none_or(|column| column.engine != named.engine);
            named.is_date = column.is_some_and(|column| column.is_date);
            let hides = renames && names.hidden.iter().any(|column| column.engine == named.engine);
            let free = !hides && names.take(&named.engine);
            if !free {
                named.engine = self.generate("c");
            }
            return Item::aliased(expr, named, if free { Some(alias) } else { None });
        }
        if let Some(mut column) = column {
            let plain = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            if names.take(&column.engine) {
                return if plain { Item::plain(expr, column) } else { Item::aliased(expr, column, None) };
            }
            column.engine = self.generate("c");
            return Item::aliased(expr, column, None);
        }
        let mut named = Column::defined(figure.clone().unwrap_or_default(), text);
        if role == Role::Anonymous && names.items == 1 {
            return Item::plain(expr, named);
        }
        let figure = figure.filter(|figure| role == Role::Named && names.take_if_unclaimed(figure));
        named.engine = figure.unwrap_or_else(|| self.generate("c"));
        Item::aliased(expr, named, None)
    }
}

impl Item {
    /// An item without an alias.
    fn plain(expr: Expr, column: Column) -> Self {
        Self { name: expr.clone(), expr, column, aliased: false }
    }

    /// An item under the engine name of `column`, written as `alias` if the user did.
    fn aliased(expr: Expr, column: Column, alias: Option<Ident>) -> Self {
        let name = alias
            .filter(|alias| defined_name(alias) == alias.value.to_ascii_lowercase() || alias.quote_style.is_some());
        let name = name.unwrap_or_else(|| engine_ident(&column.engine));
        Self { name: Expr::Identifier(name), expr, column, aliased: true }
    }

    fn select_item(&self) -> SelectItem {
        match &self.name {
            Expr::Identifier(alias) if self.aliased => {
                SelectItem::ExprWithAlias { expr: self.expr.clone(), alias: alias.clone() }
            }
            _ => SelectItem::UnnamedExpr(self.expr.clone()),
        }
    }
}

/// An item of the select list whose names are bound.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "lives only while one select list is bound")]
enum Listed {
    Wildcard {
        item: SelectItem,
        /// Its columns, if known.
        columns: Option<Expanded>,
        /// Engine names of the relations it covers.
        covers: Vec<String>,
    },
    Expr(Unnamed),
}

#[derive(Debug)]
struct Unnamed {
    expr: Expr,
    alias: Option<Ident>,
    /// Set if `expr` is nothing but this column.
    column: Option<Column>,
    /// The name that PostgreSQL would give it.
    figure: Option<String>,
    text: String,
}

/// The engine names of one select list: each may be given once.
struct Names {
    taken: HashSet<String>,
    /// Names that columns and aliases of the list have, whether or not they were met yet.
    claimed: HashSet<String>,
    /// Input columns that no alias may be called like.
    hidden: Vec<Column>,
    items: usize,
}

impl Names {
    fn new(items: &[Listed], role: Role) -> Self {
        let mut names = Self { taken: HashSet::new(), claimed: HashSet::new(), hidden: Vec::new(), items: items.len() };
        for item in items {
            match item {
                Listed::Wildcard { columns, .. } => {
                    names.items += usize::from(role == Role::Anonymous);
                    names.taken.extend(columns.iter().flatten().map(|(_, column)| column.engine.clone()));
                }
                Listed::Expr(Unnamed { alias: Some(alias), .. }) => {
                    names.claimed.insert(defined_name(alias));
                }
                Listed::Expr(Unnamed { column: Some(column), .. }) => {
                    names.claimed.insert(column.engine.clone());
                }
                Listed::Expr(_) => {}
            }
        }
        names
    }

    fn take(&mut self, name: &str) -> bool {
        self.taken.insert(name.to_owned())
    }

    fn take_if_unclaimed(&mut self, name: &str) -> bool {
        !self.claimed.contains(name) && self.take(name)
    }
}

/// Whether ORDER BY holds more than positions and single names, which mean the select list.
fn sorts_input(order_by: &OrderBy) -> bool {
    match &order_by.kind {
        OrderByKind::Expressions(exprs) => {
            exprs.iter().any(|order| !matches!(order.expr, Expr::Identifier(_) | Expr::Value(_)))
        }
        OrderByKind::All(_) => false,
    }
}

/// Writes wildcards out where the engine would refuse or misread them: repeated relations, repeated names in derived
/// tables, and columns merged by USING or NATURAL, which PostgreSQL puts first.
fn expand_where_needed(items: Vec<Listed>, scope: Option<&Scope>, role: Role) -> Vec<Listed> {
    let mut relations: HashMap<&str, usize> = HashMap::new();
    let mut names: HashMap<&str, usize> = HashMap::new();
    for item in &items {
        if let Listed::Wildcard { covers, columns, .. } = item {
            covers.iter().for_each(|relation| *relations.entry(relation.as_str()).or_default() += 1);
            for (_, column) in columns.iter().flatten() {
                *names.entry(column.engine.as_str()).or_default() += 1;
            }
        }
    }
    let repeated = relations.values().any(|count| *count > 1);
    let clashing = role != Role::Top && names.values().any(|count| *count > 1);
    if !repeated && !clashing && !scope.is_some_and(Scope::has_merged) {
        return items;
    }
    let written_out = items.into_iter().flat_map(|item| match item {
        Listed::Wildcard { columns: Some(columns), .. } => columns
            .into_iter()
            .map(|(expr, column)| {
                let text = column.shown.clone();
                Listed::Expr(Unnamed { expr, alias: None, column: Some(column), figure: None, text })
            })
            .collect(),
        other => vec![other],
    });
    written_out.collect()
}

/// All columns of a scope; nothing if some are unknown.
fn expand(scope: &Scope) -> Option<Expanded> {
    let written = |meaning: Bare<'_>| match meaning {
        Bare::Column(side) => Some((relation_column(side.relation, side.column), side.column.clone())),
        Bare::Merged(sides) => Some((coalesce(&sides), sides.first()?.column.clone())),
        Bare::Opaque | Bare::Missing => None,
    };
    scope.all()?.into_iter().map(written).collect()
}

/// The name that PostgreSQL gives an expression without an alias (parse_target.c, `FigureColname`).
fn figure_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Function(function) => last_name(&function.name),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => figure_name(inner),
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, .. } => match &**expr {
            Expr::Identifier(ident) => Some(defined_name(ident)),
            Expr::CompoundIdentifier(idents) => idents.last().map(defined_name),
            inner => figure_name(inner),
        },
        Expr::Case { else_result, .. } => {
            else_result.as_ref().and_then(|value| figure_name(value)).or_else(|| Some("case".into()))
        }
        Expr::Extract { .. } => Some("extract".into()),
        Expr::Position { .. } => Some("position".into()),
        Expr::Substring { .. } => Some("substring".into()),
        Expr::Overlay { .. } => Some("overlay".into()),
        Expr::Trim { .. } => Some("btrim".into()),
        Expr::Exists { .. } => Some("exists".into()),
        Expr::Array(_) => Some("array".into()),
        _ => None,
    }
}

fn last_name(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(ObjectNamePart::as_ident).map(defined_name)
}
