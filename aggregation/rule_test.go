package aggregation_test

import (
	"testing"

	"lode/aggregation"
	"lode/aggregation/ruletest"
)

func TestMeanConforms(t *testing.T) { ruletest.Conform(t, aggregation.Mean{}) }
