//go:build race

package gobgp3

func init() { raceDetector = true }
