module.exports = (number) => number * number;
