//! Ids in the schema: each carries its type, so that `node` asks one table.

use uuid::Uuid;

use super::json::Json;
use super::row::leaves;
pub(crate) use crate::kernel::id::Id;

leaves!(Id => put);

fn put(id: &Id, json: &mut Json) {
    let mut uuid = Uuid::encode_buffer();
    json.push(b'"');
    if !id.of.is_empty() {
        json.extend_from_slice(id.of.as_bytes());
        json.push(b'_');
    }
    json.extend_from_slice(id.uuid.hyphenated().encode_lower(&mut uuid).as_bytes());
    json.push(b'"');
}
