# Runs the vignette's own R recipe on what `lockstep detect` wrote. Usage: Rscript outputs.R VIGNETTE FOLDER, which holds out/.
arguments <- commandArgs(trailingOnly = TRUE)
vignette <- readLines(arguments[1])
setwd(arguments[2])
start <- which(vignette == "```r")
stopifnot(length(start) == 1)
end <- start + which(vignette[-seq_len(start)] == "```")[1]
suppressMessages(eval(parse(text = vignette[(start + 1):(end - 1)])))

stopifnot(nrow(flagged) > 0, nrow(inside) > 0, nrow(clusters) > 0, is.character(accounts$account_id))
stopifnot(all(c(ties$account_a, ties$account_b) %in% accounts$account))
stopifnot(ecount(network) == nrow(ties), all(flagged$account %in% V(network)$id))
cat(nrow(accounts), "accounts and", nrow(ties), "ties read by R", as.character(getRversion()), "\n")
