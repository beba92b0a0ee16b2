// Package chart draws small multiples as SVG that any browser shows: one panel for
// each pair of a row and a column, all with the same lines and the same axes, so that
// they can be compared.
//
// It lays nothing else out and reads no data: the caller hands in numbers.
package chart
