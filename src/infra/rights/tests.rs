use std::collections::BTreeSet;

use sea_orm::Statement;

use super::*;

/// A table that is not tried would only be missed once a server needs it.
#[tokio::test]
async fn every_table_of_the_server_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db", folder.path().display());
    let db = Db::connect(&url, 2).await.unwrap();
    db.migrate_up(migration::Migrations::default()).await.unwrap();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
                  AND name NOT IN ('seaql_migrations', 'schema_levels')";
    let tables = Statement::from_string(db.reader().get_database_backend(), tables);
    let tables = db.reader().query_all_raw(tables).await.unwrap();
    let there: BTreeSet<String> =
        tables.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    let tries = store::try_all(&db, Events::Deleted).await.unwrap();
    assert_eq!(tries.tables.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), there);
    assert_eq!(tries.lacking, []);
}
