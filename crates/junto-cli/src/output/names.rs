//! Column names where each must be its own: members of JSON objects, columns of Parquet.

use std::collections::HashSet;

use arrow::datatypes::Schema;

/// The names of the columns; the second `id` becomes `id_2`, and so on.
pub(super) fn distinct(schema: &Schema) -> Vec<String> {
    let mut taken: HashSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut seen = HashSet::new();
    let mut names = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let mut name = field.name().clone();
        let mut number = 2;
        while !seen.insert(name.clone()) {
            name = format!("{}_{number}", field.name());
            number += 1;
            if !taken.insert(name.clone()) {
                name.clone_from(field.name());
            }
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};

    #[test]
    fn repeated_names_get_numbers_that_are_free() {
        let names = ["id", "id", "id_2", "id", "x"];
        let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Int32, true)).collect();
        assert_eq!(super::distinct(&Schema::new(fields)), ["id", "id_3", "id_2", "id_4", "x"]);
    }
}
