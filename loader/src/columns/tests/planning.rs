//! What is refused, and who decides.

use arrow_schema::{IntervalUnit, TimeUnit};

use super::*;

#[test]
fn unsupported_types_name_the_column_and_the_way_out() {
    let structure = DataType::Struct(vec![Field::new("a", DataType::Int8, true)].into());
    let map_of = |key: DataType, value: DataType| {
        let entries =
            DataType::Struct(vec![Field::new("key", key, false), Field::new("value", value, true)].into());
        DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
    };
    let types = [
        DataType::Null,
        DataType::Time32(TimeUnit::Second),
        DataType::Duration(TimeUnit::Second),
        DataType::Interval(IntervalUnit::DayTime),
        DataType::List(Arc::new(Field::new_list_field(structure.clone(), true))),
        DataType::List(Arc::new(Field::new_list_field(DataType::new_list(DataType::Int8, true), true))),
        structure,
        map_of(DataType::Int8, DataType::Int8),
        map_of(DataType::Utf8, DataType::Utf8),
        map_of(DataType::Utf8, DataType::Decimal128(30, 2)),
    ];
    for ty in types {
        let field = Field::new("odd", ty.clone(), true);
        let error = plan(&field, &ColumnOptions::default()).unwrap_err().to_string();
        assert!(error.contains("column `odd`") && error.contains("`skip = true`"), "{ty}: {error}");
        assert_eq!(plan(&field, &ColumnOptions { skip: true, ..ColumnOptions::default() }).unwrap(), None);
    }
}

#[test]
fn the_configuration_wins_over_the_files_metadata() {
    let metadata = std::collections::HashMap::from([(AS_KEY.to_owned(), "json_map".to_owned())]);
    let field = Field::new("c", DataType::Utf8, false).with_metadata(metadata);
    let planned = |options: &ColumnOptions| plan(&field, options).unwrap().unwrap();
    let map = planned(&ColumnOptions::default());
    assert_eq!(
        (map.ty.to_string().as_str(), map.held_as, map.nullable),
        ("Map(String, Float64)", HeldAs::JsonMap, true)
    );
    let array = planned(&ColumnOptions { json: Some(JsonKind::JsonArray), ..ColumnOptions::default() });
    assert_eq!((array.ty.to_string().as_str(), array.held_as), ("Array(String)", HeldAs::JsonArray));
    let text = planned(&ColumnOptions { ty: Some("String".into()), ..ColumnOptions::default() });
    assert_eq!(
        (text.ty.to_string().as_str(), text.held_as, text.nullable),
        ("String", HeldAs::Native, false)
    );

    let number = Field::new("n", DataType::Int8, false);
    let json = ColumnOptions { json: Some(JsonKind::JsonMap), ..ColumnOptions::default() };
    assert!(plan(&number, &json).unwrap_err().to_string().contains("only text can hold JSON"));
    let both = ColumnOptions { ty: Some("String".into()), ..json };
    assert!(plan(&field, &both).unwrap_err().to_string().contains("both `as` and `type`"));
}

#[test]
fn null_where_the_source_promised_none_is_an_error() {
    let column = plan(&Field::new("c", DataType::Int8, false), &ColumnOptions::default()).unwrap().unwrap();
    let array: ArrayRef = Arc::new(Int8Array::from(vec![Some(1), None]));
    assert!(convert(&column, &array, &[1, 2]).unwrap_err().to_string().contains("column `c`: a NULL"));
}
