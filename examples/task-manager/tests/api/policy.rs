//! Tests of the access policy, and of the tasks that each caller reaches.

use portcullis_testing::policy::assert_extension_keeps_its_rules;
use portcullis_testing::tenancy::{Entity, assert_rows_stay_within_reach};

#[tokio::test]
async fn every_field_keeps_its_rule() {
    assert_extension_keeps_its_rules(&task_manager::server()).await;
}

#[tokio::test]
async fn nobody_reaches_tasks_beyond_their_scope() {
    let task = Entity {
        of: "Task",
        create: "createTask(input: { title: \"Something\" })",
        in_organizations: true,
        read_all: Some("TASKS_READ_ALL"),
        write_all: Some("TASKS_WRITE_ALL"),
    };
    assert_rows_stay_within_reach(&task_manager::server(), task).await;
}
