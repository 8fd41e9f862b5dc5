package strictyaml

// nearest is the known key that a typing error leads to: at most a third of the letters
// wrong. Of several as near, the first.
func nearest(name string, fields []Field) string {
	best, bestDistance := "", 1+max(1, len(name)/3)
	for _, f := range fields {
		if d := editDistance(name, f.Name); d < bestDistance {
			best, bestDistance = f.Name, d
		}
	}
	return best
}

// editDistance is Levenshtein's, by rows. Long keys are no typing errors.
func editDistance(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
