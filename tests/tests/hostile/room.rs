//! Guests that take too much room.

use super::*;

#[test]
fn growing_memory_beyond_the_limit_ends_the_call() {
    let error = error_of_select("(drop (memory.grow (i32.const 256))) (i32.const 0)");
    assert_eq!(error, CallError::MemoryLimit { limit: 16 << 20 });
}

#[test]
fn growing_memory_page_by_page_ends_at_the_limit() {
    let error =
        error_of_select("(loop $more (drop (memory.grow (i32.const 1))) (br $more)) unreachable");
    assert_eq!(error, CallError::MemoryLimit { limit: 16 << 20 });
}

#[test]
fn an_allocator_that_grows_without_end_ends_at_the_limit() {
    let guest = Guest {
        realloc: "(loop $more (drop (memory.grow (i32.const 1))) (br $more)) unreachable"
            .to_owned(),
        ..Guest::good()
    };
    assert_eq!(error_of(&guest), CallError::MemoryLimit { limit: 16 << 20 });
}

#[test]
fn growing_a_table_beyond_the_limit_ends_the_call() {
    let guest = Guest {
        fields: "(table $t 1 funcref)".to_owned(),
        select: "(drop (table.grow $t (ref.null func) (i32.const 1000))) (i32.const 0)".to_owned(),
        ..Guest::good()
    };
    assert_eq!(error_of(&guest), CallError::TableLimit { limit: 1000 });
}

#[test]
fn recursion_without_end_runs_out_of_stack_and_not_of_time() {
    let guest = Guest {
        fields: "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))".to_owned(),
        select: "(call $deep)".to_owned(),
        ..Guest::good()
    };
    assert_eq!(error_of(&guest), CallError::StackOverflow);
}

#[test]
fn memory_is_given_back_after_each_call() {
    let guest = Guest {
        // Writes to each of 200 pages, so that they are really there, then declines.
        select: "(local $page i32) (drop (memory.grow (i32.const 200)))
            (loop $more
                (i32.store (i32.mul (local.get $page) (i32.const 65536)) (i32.const 1))
                (local.set $page (i32.add (local.get $page) (i32.const 1)))
                (br_if $more (i32.lt_u (local.get $page) (i32.const 200))))
            unreachable"
            .to_owned(),
        ..Guest::good()
    };
    let policy = load(&guest).unwrap();
    let ask = |times: usize| {
        for _ in 0..times {
            assert_eq!(
                policy.select(&situation(), None).unwrap_err().kind(),
                "crashed"
            );
        }
    };
    ask(5);
    let before = resident_bytes();
    ask(100);
    // 100 calls that touched 12.5 MiB each: were it kept, this would be 1.2 GiB.
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 128 << 20, "grew by {} MiB", grown >> 20);
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
