//go:build race

package speaker

func init() { raceDetector = true }
