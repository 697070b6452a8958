//! Everything that a database holds, as text: to see that nothing has changed, or what is nowhere.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement};

/// The rows of every table, by its name; on MySQL and MariaDB all in hex.
pub async fn dump(db: &DatabaseConnection) -> BTreeMap<String, String> {
    let mut contents = BTreeMap::new();
    for name in tables(db).await {
        let text = content(db, &name).await;
        contents.insert(name, text);
    }
    assert!(contents.len() > 5, "{:?}", contents.keys());
    contents
}

/// The tables of a dump that hold a text, whatever the case of its letters.
pub fn holding(dump: &BTreeMap<String, String>, text: &str) -> Vec<String> {
    let (lower, upper) = (text.to_lowercase(), text.to_uppercase());
    let forms = [hex(text), hex(&lower), hex(&upper), lower];
    let holds = |content: &str| forms.iter().any(|form| content.contains(form));
    let holding = dump.iter().filter(|(_, content)| holds(&content.to_lowercase()));
    holding.map(|(table, _)| table.clone()).collect()
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// The names of all tables but the migrations'.
pub async fn tables(db: &DatabaseConnection) -> Vec<String> {
    let tables = match db.get_database_backend() {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        DbBackend::Postgres => {
            "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables \
             WHERE table_schema = current_schema()"
        }
        _ => {
            "SELECT table_name AS name FROM information_schema.tables \
             WHERE table_schema = database()"
        }
    };
    let rows = rows(db, tables).await;
    let names = rows.iter().map(|row| row.try_get::<String>("", "name").unwrap());
    names
        .filter(|name| {
            !["sqlite_", "seaql_", "portcullis_"].iter().any(|own| name.starts_with(own))
        })
        .collect()
}

async fn content(db: &DatabaseConnection, table: &str) -> String {
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => {
            let columns = rows(db, &format!("SELECT name FROM pragma_table_info('{table}')")).await;
            let quoted: Vec<String> = columns
                .iter()
                .map(|column| {
                    format!("quote(\"{}\")", column.try_get::<String>("", "name").unwrap())
                })
                .collect();
            format!("SELECT {} AS t FROM \"{table}\" ORDER BY 1", quoted.join("||','||"))
        }
        DbBackend::Postgres => format!("SELECT CAST(t AS TEXT) AS t FROM \"{table}\" t ORDER BY 1"),
        _ => {
            let columns = format!(
                "SELECT column_name AS name FROM information_schema.columns \
                 WHERE table_schema = database() AND table_name = '{table}'"
            );
            let columns = rows(db, &columns).await;
            let names = columns.iter().map(|row| row.try_get::<String>("", "name").unwrap());
            let hex: Vec<String> = names.map(|name| format!("HEX(\"{name}\")")).collect();
            format!("SELECT CONCAT_WS(',', {}) AS t FROM \"{table}\" ORDER BY 1", hex.join(", "))
        }
    };
    let rows = rows(db, &sql).await;
    rows.iter().map(|row| row.try_get::<String>("", "t").unwrap() + "\n").collect()
}

async fn rows(db: &DatabaseConnection, sql: &str) -> Vec<QueryResult> {
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap()
}
