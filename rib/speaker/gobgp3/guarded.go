//go:build !unguarded

package gobgp3

// unguarded is false in every program but that of unguarded.go.
const unguarded = false
