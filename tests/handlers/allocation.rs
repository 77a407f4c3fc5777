//! Counts what each thread has allocated and not given back, and how often it asked.
#![allow(dead_code, reason = "each test program asks for one of the counts")]
#![expect(unsafe_code, reason = "an allocator is an unsafe trait; this one passes every call on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// Bytes that this thread holds.
pub(crate) fn held() -> usize {
    HELD.get()
}

/// How often this thread has asked for memory.
pub(crate) fn calls() -> usize {
    CALLS.get()
}

/// A thread that is ending has no counter any more, and nothing to count.
fn change(change: impl FnOnce(usize) -> usize) {
    let _ = HELD.try_with(|held| held.set(change(held.get())));
}

struct Counting;

// SAFETY: every call goes to the system's allocator with the very arguments that came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        change(|held| held.wrapping_add(layout.size()));
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        change(|held| held.wrapping_sub(layout.size()));
        // SAFETY: the pointer came from `alloc` above with this layout, hence from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
