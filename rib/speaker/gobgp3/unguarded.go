//go:build unguarded

package gobgp3

// unguarded leaves the guard out: with the build tag of that name alone, so that `make
// bench` can say what the guard costs. Any neighbour can end such a program.
const unguarded = true
