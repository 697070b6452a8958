//! Calls of the fields that the servers of these tests have beside.

/// A valid call of a field of this entity.
pub(crate) fn sample(field: &str, id: &str) -> Option<String> {
    Some(match field {
        "createTask" => {
            "createTask(input: { title: \"Water the plants\" }) { task { id } }".to_owned()
        }
        "updateTask" => {
            format!("updateTask(input: {{ id: \"{id}\", isDone: true }}) {{ task {{ isDone }} }}")
        }
        "deleteTask" => format!("deleteTask(input: {{ id: \"{id}\" }}) {{ deletedTaskId }}"),
        "task" => format!("task(id: \"{id}\") {{ id }}"),
        "myTasks" => "myTasks { totalCount }".to_owned(),
        "visibleTasks" => "visibleTasks { totalCount }".to_owned(),
        "tasks" => "tasks(first: 2) { totalCount edges { node { id } } }".to_owned(),
        _ => return None,
    })
}
